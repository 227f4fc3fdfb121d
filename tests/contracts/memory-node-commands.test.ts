import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { memoryNodeCommands } from "#adapters/memory/memory-node-commands.ts"
import { NodeCommands } from "#application/ports/node-commands.ts"
import { Settings } from "#application/ports/settings.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { nodeCommandsContract } from "./node-commands-contract.ts"

const layer = memoryNodeCommands.pipe(Layer.provide(Layer.succeed(Settings, testSettings({ node: "alone" }))))

nodeCommandsContract("memory", layer, "alone")

describe("memory node commands", () => {
  it.live("has one node, which takes no commands before it is started", () =>
    Effect.gen(function* () {
      const commands = yield* NodeCommands
      expect(yield* commands.nodes()).toEqual(["alone"])
      const refused = yield* Effect.flip(
        commands.send("alone", { kind: "disconnect", connectionId: "c1", reason: "disconnected" }),
      )
      expect(refused._tag).toBe("engine_unavailable")
    }).pipe(Effect.provide(layer)),
  )
})
