import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Caller, EventHandlers } from "#application/ports/event-handlers.ts"
import { HandlerActions } from "#application/ports/handler-actions.ts"
import { Metrics } from "#application/ports/metrics.ts"
import type { SystemEvent } from "./handler-definition.ts"
import { HandlersNotLoaded, type LoadedHandler, loadHandlers } from "./load-handlers.ts"
import { handlerFailed, type RunOptions, runHandler } from "./run-handler.ts"

export interface HandlerModulesOptions {
  /** Undefined: there are none. Relative to the working directory. */
  readonly directory: string | undefined
  /** For a handler that names no time-out of its own. */
  readonly defaultTimeoutMs: number
}

/** The user's handler modules, loaded once; one that does not load fails the layer, with everything that is wrong. */
export const handlerModules = (
  options: HandlerModulesOptions,
): Layer.Layer<EventHandlers, HandlersNotLoaded, HandlerActions | Metrics> =>
  Layer.effect(
    EventHandlers,
    Effect.gen(function* () {
      const actions = yield* HandlerActions
      const metrics = yield* Metrics
      const { directory, defaultTimeoutMs } = options
      const loaded = directory === undefined ? [] : yield* Effect.promise(() => loadHandlers(directory))
      if (loaded instanceof HandlersNotLoaded) return yield* loaded
      if (directory !== undefined)
        yield* Effect.logInfo("handlers loaded").pipe(
          Effect.annotateLogs({ category: ["adapters", "handlers"], directory, files: loaded.map(({ file }) => file) }),
        )

      const byEvent = new Map<string, LoadedHandler>()
      const bySystem: Record<SystemEvent, LoadedHandler[]> = { connect: [], disconnect: [], error: [] }
      for (const handler of loaded) {
        if ("event" in handler.on) byEvent.set(handler.on.event, handler)
        else bySystem[handler.on.system].push(handler)
      }

      const run: RunOptions = { actions, metrics, defaultTimeoutMs }
      const tell = Effect.fnUntraced(function* (system: SystemEvent, input: unknown, caller: Caller) {
        for (const handler of bySystem[system])
          yield* runHandler(handler, input, caller, run).pipe(
            Effect.catchTag(["handler_failed", "invalid_request"], () => Effect.void),
            Effect.catchTag("declined", ({ code }) =>
              Effect.logWarning("a handler refused what cannot be refused").pipe(
                Effect.annotateLogs({ category: ["adapters", "handlers"], handler: handler.file, on: system, code }),
              ),
            ),
          )
      })

      return EventHandlers.of({
        handles: (event) => byEvent.has(event),
        run: (event, data, caller) => {
          const handler = byEvent.get(event)
          return handler === undefined ? Effect.fail(handlerFailed()) : runHandler(handler, data, caller, run)
        },
        connect: Effect.fnUntraced(function* (caller) {
          for (const handler of bySystem.connect)
            yield* runHandler(handler, {}, caller, run).pipe(
              Effect.catchTag("invalid_request", () => Effect.fail(handlerFailed())),
            )
        }),
        disconnect: (caller, reason) => tell("disconnect", { reason }, caller),
        error: (caller, event, code) => tell("error", { event, code }, caller),
      })
    }),
  )
