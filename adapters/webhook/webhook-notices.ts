import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { NoticeKind, WebhookData } from "#application/ports/backend.ts"
import type { Metrics } from "#application/ports/metrics.ts"
import { NOTICE_TRIES, retryDelayMs } from "#domain/webhook.ts"
import { type EndpointClient, NOTICE_LANES } from "./endpoint-client.ts"
import { type Notice, NoticeQueue } from "./notice-queue.ts"
import { NoReply } from "./post.ts"
import { newWebhookId, webhookBody } from "./signed-request.ts"

export interface NoticeBounds {
  /** Notices that wait for one endpoint; an old one is dropped for one more. */
  readonly queue: number
  /** The wait after a first failed try, ms. */
  readonly retryMs: number
  /** How long what waits may still be sent once the scope closes, ms. */
  readonly drainMs: number
}

/** One warning for all that an endpoint dropped in this time: a backend that is away must not fill the log as well. */
const DROP_LOG_MS = 10_000

const LOG = { category: ["adapters", "webhook"] }

interface Outbox {
  readonly notify: (kind: NoticeKind, data: WebhookData) => void
  /** Waiting and under way. */
  readonly size: () => number
}

interface EndpointOutbox extends Outbox {
  /** Waits, bounded, until all is sent, takes nothing more, and says what is lost. */
  readonly drain: Effect.Effect<void>
}

/**
 * Notices for one endpoint: NOTICE_LANES at once, those of one connection in order, NOTICE_TRIES tries each. A lane is a
 * fiber that lives while there is something to take.
 */
const openOutbox = Effect.fnUntraced(function* (
  client: EndpointClient,
  bounds: NoticeBounds,
  metrics: Metrics["Service"],
): Effect.fn.Return<EndpointOutbox, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const queue = new NoticeQueue(bounds.queue)
  const lanes = yield* FiberSet.make<void>()
  const fork = yield* FiberSet.runtime(lanes)()
  let open = 0
  let underWay = 0
  let closed = false
  let dropped = 0
  let dropLoggedAt = Number.NEGATIVE_INFINITY

  const attempt = Effect.fnUntraced(function* (notice: Notice) {
    const begun = performance.now()
    const nowMs = yield* Clock.currentTimeMillis
    const reply = yield* Effect.promise((signal) => client.send(notice.id, notice.body, undefined, nowMs, signal))
    const delivered = !(reply instanceof NoReply) && reply.status >= 200 && reply.status < 300
    const outcome = delivered ? "delivered" : reply instanceof NoReply ? reply.reason : "rejected"
    metrics.backendCall(notice.kind, outcome, (performance.now() - begun) / 1000)
    if (delivered) return undefined
    return reply instanceof NoReply ? reply.detail : `answered ${reply.status}`
  })

  const deliver = Effect.fnUntraced(function* (notice: Notice) {
    for (let tries = 1; ; tries++) {
      const fault = yield* attempt(notice)
      if (fault === undefined) return
      if (tries === NOTICE_TRIES) {
        metrics.limitHit("webhook_tries")
        yield* Effect.logWarning("a webhook was given up").pipe(
          Effect.annotateLogs({
            ...LOG,
            kind: notice.kind,
            endpoint: client.name,
            connectionId: notice.connectionId,
            webhookId: notice.id,
            tries,
            fault,
          }),
        )
        return
      }
      yield* Effect.sleep(retryDelayMs(tries, bounds.retryMs, Math.random()))
    }
  })

  /** A lane that finds nothing ends in the same step, so that no notice waits for one that has gone. */
  const next = (): Notice | undefined => {
    const notice = queue.take()
    if (notice === undefined) open--
    else underWay++
    return notice
  }

  const lane = Effect.gen(function* () {
    for (let notice = next(); notice !== undefined; notice = next()) {
      yield* deliver(notice).pipe(
        Effect.catchDefect((defect) =>
          Effect.logError("a webhook could not be sent", Cause.die(defect)).pipe(Effect.annotateLogs(LOG)),
        ),
      )
      underWay--
      queue.done(notice)
    }
  })

  const drop = (): void => {
    metrics.limitHit("webhook_queue")
    dropped++
    const nowMs = clock.currentTimeMillisUnsafe()
    if (nowMs - dropLoggedAt < DROP_LOG_MS) return
    const count = dropped
    dropped = 0
    dropLoggedAt = nowMs
    fork(
      Effect.logWarning("webhooks were dropped: the queue is full, or a user's share of it").pipe(
        Effect.annotateLogs({ ...LOG, endpoint: client.name, dropped: count, limit: bounds.queue }),
      ),
    )
  }

  const drain = Effect.gen(function* () {
    yield* Effect.timeoutOption(FiberSet.awaitEmpty(lanes), bounds.drainMs)
    closed = true
    const lost = queue.size + underWay
    if (lost > 0)
      yield* Effect.logWarning("webhooks were lost at the end: the endpoint did not take them in time").pipe(
        Effect.annotateLogs({ ...LOG, endpoint: client.name, lost, drainMs: bounds.drainMs }),
      )
  })

  return {
    drain,
    size: () => queue.size + underWay,
    notify: (kind, data) => {
      if (closed) {
        metrics.limitHit("webhook_closed")
        return
      }
      const body = webhookBody(kind, data, clock.currentTimeMillisUnsafe())
      if (
        queue.add({ id: newWebhookId(), kind, connectionId: data.connectionId, userId: data.userId, body }) !==
        undefined
      )
        drop()
      if (open >= NOTICE_LANES) return
      open++
      fork(lane)
    },
  }
})

/** Tells every endpoint that hears the kind. */
export const noticeEndpoints = Effect.fnUntraced(function* (
  clients: readonly EndpointClient[],
  bounds: NoticeBounds,
  metrics: Metrics["Service"],
): Effect.fn.Return<Outbox, never, Scope.Scope> {
  const outboxes: (readonly [EndpointClient, EndpointOutbox])[] = []
  for (const client of clients) outboxes.push([client, yield* openOutbox(client, bounds, metrics)])
  yield* Effect.addFinalizer(() =>
    Effect.forEach(outboxes, ([, outbox]) => outbox.drain, { concurrency: "unbounded", discard: true }),
  )
  return {
    size: () => outboxes.reduce((sum, [, outbox]) => sum + outbox.size(), 0),
    notify: (kind, data) => {
      for (const [client, outbox] of outboxes) if (client.hears(kind, undefined)) outbox.notify(kind, data)
    },
  }
})
