import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Caller } from "#application/ports/event-handlers.ts"
import type { HandlerActions } from "#application/ports/handler-actions.ts"
import type { Metrics } from "#application/ports/metrics.ts"
import { type Declined, Refusal, type Refused } from "#domain/errors.ts"
import { callerContext, HandlerRefusal } from "./caller-context.ts"
import type { HandlerContext } from "./handler-context.ts"
import { jsonResult } from "./handler-result.ts"
import type { LoadedHandler } from "./load-handlers.ts"
import { schemaRefusal } from "./schema-faults.ts"

export interface RunOptions {
  readonly actions: HandlerActions["Service"]
  readonly metrics: Metrics["Service"]
  readonly defaultTimeoutMs: number
}

type HandlerError = Declined | Refused<"handler_failed" | "invalid_request">

type Outcome =
  | { readonly kind: "answered"; readonly data: unknown }
  | { readonly kind: "refused"; readonly refusal: HandlerError }
  | { readonly kind: "failed"; readonly error: unknown }

export const handlerFailed = (): Refused<"handler_failed"> =>
  new Refusal("handler_failed", "the event's handler failed")

/** Runs user code and never rejects. */
const attempt = async (handler: LoadedHandler, data: unknown, context: HandlerContext): Promise<Outcome> => {
  try {
    let input = data
    if (handler.input !== undefined) {
      const checked = await handler.input["~standard"].validate(data)
      if (checked.issues !== undefined) return { kind: "refused", refusal: schemaRefusal(checked.issues, "data") }
      input = checked.value
    }
    return { kind: "answered", data: jsonResult(await handler.handle(input, context)) }
  } catch (error) {
    return refusedOrFailed(error)
  }
}

/** What is thrown may be anything: a Proxy's trap throws even here, and in the log. */
const refusedOrFailed = (error: unknown): Outcome => {
  try {
    return error instanceof HandlerRefusal ? { kind: "refused", refusal: error.declined } : { kind: "failed", error }
  } catch {
    return { kind: "failed", error: new TypeError("something was thrown that cannot be looked at") }
  }
}

const exitOf = (outcome: Outcome): Effect.Effect<unknown, HandlerError> => {
  switch (outcome.kind) {
    case "answered":
      return Effect.succeed(outcome.data)
    case "refused":
      return Effect.fail(outcome.refusal)
    case "failed":
      return Effect.andThen(Effect.logError("a handler failed", Cause.die(outcome.error)), Effect.fail(handlerFailed()))
  }
}

/**
 * One run of a handler: its data checked, its time bounded, its result plain JSON. Its signal is aborted when it is late
 * and when the fiber is interrupted, for its caller has gone; what it does then goes on, for nothing can stop it, and is
 * logged where it fails. Neither helps against a handler that blocks the thread.
 */
export const runHandler = (
  handler: LoadedHandler,
  data: unknown,
  caller: Caller,
  options: RunOptions,
): Effect.Effect<unknown, HandlerError> =>
  Effect.contextWith((services) =>
    Effect.callback<unknown, HandlerError>((resume) => {
      const labels = {
        category: ["adapters", "handlers"],
        handler: handler.file,
        connectionId: caller.connectionId,
        ...("event" in handler.on ? { event: handler.on.event } : { on: handler.on.system }),
      }
      const timeoutMs = handler.timeoutMs ?? options.defaultTimeoutMs
      const controller = new AbortController()
      const run = Effect.runForkWith(services)
      let awaited = true

      const answer = (effect: Effect.Effect<unknown, HandlerError>): void => {
        awaited = false
        clearTimeout(timer)
        resume(Effect.annotateLogs(effect, labels))
      }
      const timer = setTimeout(() => {
        options.metrics.limitHit("handler_timeout")
        answer(
          Effect.andThen(
            Effect.logError("a handler was late").pipe(Effect.annotateLogs({ timeoutMs })),
            Effect.fail(handlerFailed()),
          ),
        )
        controller.abort(new DOMException(`the handler took more than ${timeoutMs} ms`, "TimeoutError"))
      }, timeoutMs)

      const settle = (outcome: Outcome): void => {
        if (!awaited) {
          if (outcome.kind !== "failed" || outcome.error === controller.signal.reason) return
          run(
            Effect.logWarning("a handler failed after nobody waited for it", Cause.die(outcome.error)).pipe(
              Effect.annotateLogs(labels),
            ),
          )
          return
        }
        answer(exitOf(outcome))
      }

      const context = callerContext(caller, options.actions, controller.signal, (effect) => void run(effect), labels)
      void attempt(handler, data, context).then(settle)
      return Effect.sync(() => {
        awaited = false
        clearTimeout(timer)
        controller.abort(new DOMException("the caller has gone", "AbortError"))
      })
    }),
  )
