import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { describeNode } from "#application/describe-node.ts"
import { enterRoom } from "#application/enter-room.ts"
import type { Services } from "#application/services.ts"
import { nodeStatus } from "#application/use-cases/node-status.ts"
import type { RoomName } from "#domain/room.ts"
import { memoryNode } from "./node-fixture.ts"
import { openClient } from "./opened-client.ts"

describe("what a node says of itself", () => {
  it.effect("counts its connections, and the application's rooms without those that everybody has", () =>
    Effect.gen(function* () {
      const ann = yield* openClient("c1")
      yield* openClient("c2")
      yield* enterRoom(ann.connection, "lobby" as RoomName, "rule")
      const services = yield* Effect.context<Services>()
      const toOthers = describeNode(services, { address: "http://10.0.0.1:80", startedAt: 5 })()
      for (const { connections, rooms } of [toOthers, yield* nodeStatus()])
        assert.deepStrictEqual({ connections, rooms }, { connections: 2, rooms: 1 })
      assert.deepInclude(toOthers, { node: "test-node", address: "http://10.0.0.1:80", startedAt: 5 })
    }).pipe(Effect.provide(memoryNode())),
  )
})
