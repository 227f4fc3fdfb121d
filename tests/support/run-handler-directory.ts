import process from "node:process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as References from "effect/References"
import { handlerModules } from "#adapters/handlers/handler-modules.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import { HandlerActions } from "#application/ports/handler-actions.ts"
import { silentMetrics } from "./silent-metrics.ts"

/**
 * Loads a directory of handlers outside of any test runner, runs one event as the user ann, and prints one line of JSON:
 *
 *     node tests/support/run-handler-directory.ts examples/handlers chat.send '{"team":"blue","text":"hi"}' '{"name":"Ann","teams":["blue"]}'
 *     node_modules/.bin/deno run -A tests/support/run-handler-directory.ts …
 */
const [directory = "examples/handlers", event = "", data = "null", info = "null"] = process.argv.slice(2)
const pushes: unknown[] = []
const actions = Layer.succeed(HandlerActions, {
  push: (push) => {
    pushes.push(push)
    return Promise.resolve({ id: "m1" })
  },
  pushWithAcks: () => Promise.resolve({ id: "m1", responses: [], missing: [] }),
  join: () => Promise.resolve(),
  leave: () => Promise.resolve(),
})
const runtime = ManagedRuntime.make(
  handlerModules({ directory, defaultTimeoutMs: 3_000 }).pipe(
    Layer.provide([actions, silentMetrics]),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None")),
  ),
)
const exit = await runtime.runPromiseExit(
  Effect.flatMap(EventHandlers, (handlers) =>
    handlers.run(event, JSON.parse(data), { userId: "ann", connectionId: "c1", info: JSON.parse(info) }),
  ),
)
const failure = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
console.log(
  JSON.stringify(
    Exit.isSuccess(exit)
      ? { data: exit.value, pushes }
      : {
          error: failure?._tag === "Fail" ? { tag: failure.error._tag, message: failure.error.message } : failure?._tag,
        },
  ),
)
await runtime.dispose()
