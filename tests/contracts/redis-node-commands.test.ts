import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { afterAll } from "vitest"
import { MAX_COMMANDS } from "#adapters/redis/redis-node-commands.ts"
import { NodeCommands } from "#application/ports/node-commands.ts"
import { type NodeEntry, NodeRegistry } from "#application/ports/node-registry.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { recordingMetrics, silentMetrics } from "#tests/support/silent-metrics.ts"
import { nodeCommandsContract } from "./node-commands-contract.ts"
import { redisLayer } from "./redis-fixture.ts"

const server = await startRedis()
afterAll(() => server.stop())

nodeCommandsContract("redis, to itself", redisLayer(server.url), "test-node")

const entry = (node: string): NodeEntry => ({
  node,
  version: "1",
  address: `http://${node}:80`,
  startedAt: 1,
  connections: 0,
  rooms: 0,
})

const nodeOf = (prefix: string, node: string, metrics = silentMetrics) =>
  Effect.gen(function* () {
    const services = yield* Layer.build(redisLayer(server.url, { prefix }, { node }, metrics))
    yield* Context.get(services, NodeRegistry).announce(() => entry(node))
    return services
  }).pipe(Effect.orDie)

/** The node that the layer gives sends; another one, on the same Redis, runs what is sent to `other`. */
const toAnother = Layer.effect(
  NodeCommands,
  Effect.gen(function* () {
    const prefix = `commands-${Math.random()}`
    const near = Context.get(yield* nodeOf(prefix, "near"), NodeCommands)
    const far = Context.get(yield* nodeOf(prefix, "other"), NodeCommands)
    return { ...near, serve: far.serve }
  }),
)
nodeCommandsContract("redis, to another node", toAnother, "other")

describe("redis node commands", () => {
  const JOIN = { kind: "join", connectionId: "c", room: "a" as RoomName } as const

  it.live("fail where the other node takes too long, and where it is refused there", () =>
    Effect.gen(function* () {
      const metrics = recordingMetrics()
      const near = Context.get(yield* nodeOf("refusing", "near", metrics.layer), NodeCommands)
      const far = Context.get(yield* nodeOf("refusing", "far"), NodeCommands)
      expect(yield* Effect.flip(near.send("far", JOIN))).toMatchObject({
        _tag: "engine_unavailable",
        message: "node far is starting",
      })
      far.serve(() => Effect.fail(new Refusal("unknown_room", "no rule matches")))
      expect(yield* Effect.flip(near.send("far", JOIN))).toMatchObject({
        _tag: "unknown_room",
        message: "no rule matches",
      })
      far.serve(() => Effect.never)
      const waiting = yield* Effect.forkChild(Effect.flip(near.send("far", JOIN)), { startImmediately: true })
      expect(metrics.gauge("node_commands")).toBe(1)
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "engine_unavailable", retryAfterMs: 1_000 })
      expect(metrics.gauge("node_commands")).toBe(0)
    }).pipe(Effect.scoped),
  )

  it.live("are so many at once, here and with other nodes; one more is refused and counted", () =>
    Effect.gen(function* () {
      const metrics = recordingMetrics()
      const near = Context.get(yield* nodeOf("many", "near", metrics.layer), NodeCommands)
      const far = Context.get(yield* nodeOf("many", "far"), NodeCommands)
      for (const { serve } of [near, far]) serve(() => Effect.never)
      // From here on it knows that the other one lives, and need not look.
      expect(yield* near.nodes()).toEqual(expect.arrayContaining(["near", "far"]))
      for (const node of ["near", "far"]) {
        const send = near.send(node, JOIN)
        for (let i = 0; i < MAX_COMMANDS; i++) yield* Effect.forkChild(send, { startImmediately: true })
        metrics.hits.length = 0
        expect(yield* Effect.flip(send)).toMatchObject({ _tag: "engine_unavailable", retryAfterMs: 1_000 })
        expect(metrics.hits).toEqual(["node_commands"])
      }
    }).pipe(Effect.scoped),
  )

  it.live("outlive words on the node's channel that are none", () =>
    Effect.gen(function* () {
      const near = Context.get(yield* nodeOf("foreign", "near"), NodeCommands)
      const far = Context.get(yield* nodeOf("foreign", "far"), NodeCommands)
      far.serve(() => Effect.succeed({ kind: "done", found: true }))
      for (const word of ["", "1", "1{", "1null", "9{}", "1{}", '1{"answerTo":"x"}', '1{"ask":"x"}'])
        yield* Effect.promise(() => server.client.publish("foreign:node:far", word))
      expect(yield* near.send("far", JOIN)).toEqual({ kind: "done", found: true })
    }).pipe(Effect.scoped),
  )
})
