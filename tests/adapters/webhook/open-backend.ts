import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { type WebhookOptions, webhookBackend } from "#adapters/webhook/webhook-backend.ts"
import { Backend, type QuestionKind, type WebhookData } from "#application/ports/backend.ts"
import { Declined, type ErrorBody, errorBody, type Refusal } from "#domain/errors.ts"
import { type CapturedLogs, capturedLogs } from "#tests/support/captured-logs.ts"
import { type RecordedMetrics, recordingMetrics } from "#tests/support/silent-metrics.ts"

export interface OpenBackend extends AsyncDisposable {
  readonly port: Backend["Service"]
  readonly metrics: RecordedMetrics
  readonly logs: CapturedLogs
  /** The answer as `{ data }`, or as an ack's `{ error }`. */
  readonly ask: (
    kind: QuestionKind,
    data?: Partial<WebhookData>,
    timeoutMs?: number,
    signal?: AbortSignal,
  ) => Promise<{ readonly data: unknown } | { readonly error: ErrorBody; readonly declined: boolean }>
  readonly close: () => Promise<void>
}

const failure = (cause: Cause.Cause<Refusal | Declined>): { error: ErrorBody; declined: boolean } => {
  const reason = cause.reasons[0]
  if (reason?._tag !== "Fail") throw new Error(`no refusal: ${cause.reasons.map(({ _tag }) => _tag)}`)
  return { error: errorBody(reason.error), declined: reason.error instanceof Declined }
}

/** The adapter, running, with its metrics and logs kept. */
export const openBackend = async (options: WebhookOptions): Promise<OpenBackend> => {
  const metrics = recordingMetrics()
  const logs = capturedLogs()
  const runtime = ManagedRuntime.make(
    webhookBackend(options).pipe(Layer.provide(metrics.layer), Layer.provideMerge(logs.layer)),
  )
  const port = await runtime.runPromise(Backend)
  return {
    port,
    metrics,
    logs,
    ask: async (kind, data = {}, timeoutMs = 5_000, signal) => {
      const exit = await Effect.runPromiseExit(
        port.ask(kind, { connectionId: "c1", userId: "ann", ...data }, timeoutMs).pipe(Effect.provide(logs.layer)),
        signal === undefined ? {} : { signal },
      )
      return Exit.isSuccess(exit) ? { data: exit.value } : failure(exit.cause)
    },
    close: () => runtime.dispose(),
    [Symbol.asyncDispose]: () => runtime.dispose(),
  }
}
