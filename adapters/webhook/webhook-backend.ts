import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Backend } from "#application/ports/backend.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { connectEndpoint } from "./endpoint-client.ts"
import { compileEndpoints, type EndpointOptions, EndpointsNotValid } from "./endpoints.ts"
import { noticeEndpoints } from "./webhook-notices.ts"
import { askEndpoints } from "./webhook-questions.ts"

export interface WebhookOptions {
  readonly endpoints: readonly EndpointOptions[]
  /** Questions under way at once, for each endpoint (64). */
  readonly concurrency?: number | undefined
  /** The most bytes of an answer (102,400). */
  readonly answerBytes?: number | undefined
  /** Notices that wait, for each endpoint (1,000). */
  readonly queue?: number | undefined
  /** The wait after a notice's first failed try, ms (500). */
  readonly retryMs?: number | undefined
  /** How long notices may still be sent when the layer's scope closes, ms (5,000). */
  readonly drainMs?: number | undefined
}

/**
 * The backend behind signed HTTP requests. Notices wait in memory only: those that wait when the process is killed are
 * lost. No endpoint is contacted at start.
 */
export const webhookBackend = (options: WebhookOptions): Layer.Layer<Backend, EndpointsNotValid, Metrics> =>
  Layer.effect(
    Backend,
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const endpoints = compileEndpoints(options.endpoints)
      if (endpoints instanceof EndpointsNotValid) return yield* endpoints
      const { concurrency = 64, answerBytes = DEFAULT_LIMITS.payloadBytes } = options
      const clients = yield* Effect.acquireRelease(
        Effect.sync(() => endpoints.map((endpoint) => connectEndpoint(endpoint, concurrency, answerBytes))),
        (opened) => Effect.promise(() => Promise.all(opened.map((client) => client.destroy()))),
      )
      const { queue = 1_000, retryMs = 500, drainMs = 5_000 } = options
      const notices = yield* noticeEndpoints(clients, { queue, retryMs, drainMs }, metrics)
      const asking = (): number => clients.reduce((sum, client) => sum + client.questions.size, 0)
      metrics.observe("webhook_queue", notices.size)
      metrics.observe("webhook_in_flight", asking)
      return Backend.of({
        hears: (kind, event) => clients.some((client) => client.hears(kind, event)),
        ask: askEndpoints(clients, metrics),
        notify: notices.notify,
      })
    }),
  )
