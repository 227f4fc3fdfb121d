import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type CommandRefusal,
  type NodeAnswer,
  type NodeCommand,
  NodeCommands,
} from "#application/ports/node-commands.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"

/** One node: what is sent runs here. */
export const memoryNodeCommands: Layer.Layer<NodeCommands, never, Settings> = Layer.effect(
  NodeCommands,
  Effect.gen(function* () {
    const { node: self } = yield* Settings
    let served: ((command: NodeCommand) => Effect.Effect<NodeAnswer, CommandRefusal>) | undefined
    return {
      nodes: () => Effect.succeed([self]),
      send: (node, command) =>
        Effect.suspend(() => {
          if (node !== self) return Effect.fail(new Refusal("engine_unavailable", `there is no node ${node}`))
          if (served === undefined) return Effect.fail(new Refusal("engine_unavailable", `node ${node} is starting`))
          return served(command)
        }),
      serve: (run) => {
        served = run
      },
    }
  }),
)
