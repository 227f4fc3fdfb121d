import * as Effect from "effect/Effect"
import { afterAll, describe, expect, it } from "vitest"
import { SessionStore } from "#application/ports/session-store.ts"
import type { RoomName } from "#domain/room.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { redisLayer, redisPorts, WINDOW_MS } from "./redis-fixture.ts"
import { sessionStoreContract } from "./session-store-contract.ts"

const server = await startRedis()
afterAll(() => server.stop())

describe.concurrent("with Redis", () => {
  sessionStoreContract("redis", redisLayer(server.url), WINDOW_MS, (ms) => Effect.sleep(ms))

  it("rooms that a user was taken out of are 1,000 at most, which is said, and those of no use any more are gone", async () => {
    const metrics = recordingMetrics()
    const named = (i: number) => `r${i}` as RoomName
    const at = 1_700_000_000_000_000
    const keptUs = (WINDOW_MS + 60_000) * 1_000
    const asked = Effect.gen(function* () {
      const store = yield* SessionStore
      const left = Effect.map(store.expelledAt("eve", [0, 1, 500, 1_000, 1_001].map(named)), (found) => [
        ...found.keys(),
      ])
      for (let i = 0; i < 1_000; i++) yield* store.expel("eve", named(i), at + i)
      const full = { left: yield* left, hits: [...metrics.hits] }
      yield* store.expel("eve", named(1_000), at + 1_000)
      const over = { left: yield* left, hits: [...metrics.hits] }
      yield* store.expel("eve", named(1_001), at + 1_000 + keptUs)
      return { full, over, late: yield* left }
    })
    const answer = await Effect.runPromise(Effect.provide(asked, redisPorts(server.url, {}, {}, metrics.layer)))
    expect(answer).toEqual({
      full: { left: ["r0", "r1", "r500"], hits: [] },
      over: { left: ["r1", "r500", "r1000"], hits: ["expulsions"] },
      late: ["r1000", "r1001"],
    })
    const [key = ""] = await server.client.keys("*:out:eve")
    const ttl = await server.client.pttl(key)
    expect([ttl > WINDOW_MS, ttl <= WINDOW_MS + 60_000]).toEqual([true, true])
  })
})
