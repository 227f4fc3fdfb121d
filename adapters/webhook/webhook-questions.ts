import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { QuestionKind, WebhookData } from "#application/ports/backend.ts"
import type { Metrics } from "#application/ports/metrics.ts"
import { type Declined, Refusal, type Refused } from "#domain/errors.ts"
import { type Answer, readAnswer } from "./answer.ts"
import type { EndpointClient } from "./endpoint-client.ts"
import { NoReply } from "./post.ts"
import { newWebhookId, webhookBody } from "./signed-request.ts"

/** How soon a client may ask again where there was no place for its question. */
const RETRY_AFTER_MS = 1_000

const NO_PLACE = {
  full: { limit: "webhook_concurrency", message: "the backend is busy" },
  share: { limit: "webhook_user_share", message: "the backend is busy with other questions of this user" },
} as const

const unavailable = (): Refused<"backend_unavailable"> =>
  new Refusal("backend_unavailable", "the backend did not answer")

/**
 * Asks the first endpoint that hears the kind. Tried once: only the client knows whether its event may be repeated.
 * What went wrong is logged and never shown.
 */
export const askEndpoints = (
  clients: readonly EndpointClient[],
  metrics: Metrics["Service"],
): ((
  kind: QuestionKind,
  data: WebhookData,
  timeoutMs: number,
) => Effect.Effect<unknown, Declined | Refused<"backend_unavailable">>) =>
  Effect.fnUntraced(function* (kind: QuestionKind, data: WebhookData, timeoutMs: number) {
    const warn = (message: string, endpoint: string, more: Record<string, unknown>): Effect.Effect<void> =>
      Effect.logWarning(message).pipe(
        Effect.annotateLogs({
          category: ["adapters", "webhook"],
          kind,
          endpoint,
          connectionId: data.connectionId,
          ...(data.event !== undefined && { event: data.event }),
          ...more,
        }),
      )

    const client = clients.find(({ hears }) => hears(kind, data.event))
    if (client === undefined) {
      metrics.backendCall(kind, "no_endpoint", 0)
      yield* warn("no endpoint is there to be asked", "none", {})
      return yield* Effect.fail(unavailable())
    }

    const id = newWebhookId()
    const nowMs = yield* Clock.currentTimeMillis
    const begun = performance.now()
    const reply = yield* Effect.promise(async (signal) => {
      const entered = client.questions.enter(data.userId)
      if (entered !== "entered") return NO_PLACE[entered]
      try {
        return await client.send(id, webhookBody(kind, data, nowMs), timeoutMs, nowMs, signal)
      } finally {
        client.questions.leave(data.userId)
        if (signal.aborted) metrics.backendCall(kind, "stopped", (performance.now() - begun) / 1000)
      }
    })
    if ("limit" in reply) {
      metrics.limitHit(reply.limit)
      metrics.backendCall(kind, "busy", 0)
      return yield* Effect.fail(new Refusal("backend_unavailable", reply.message, { retryAfterMs: RETRY_AFTER_MS }))
    }
    const answer: Answer =
      reply instanceof NoReply ? { outcome: "unavailable", fault: reply.detail } : readAnswer(reply, kind)
    metrics.backendCall(
      kind,
      reply instanceof NoReply ? reply.reason : answer.outcome,
      (performance.now() - begun) / 1000,
    )
    switch (answer.outcome) {
      case "answered":
        return answer.data
      case "declined":
        if (answer.fault !== undefined)
          yield* warn("the backend refused without saying why", client.name, { fault: answer.fault, webhookId: id })
        return yield* Effect.fail(answer.declined)
      case "unavailable":
        yield* warn("the backend did not answer", client.name, { fault: answer.fault, webhookId: id })
        return yield* Effect.fail(unavailable())
    }
  })
