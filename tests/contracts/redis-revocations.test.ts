import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { afterAll } from "vitest"
import { Revocations } from "#application/ports/revocations.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { redisLayer } from "./redis-fixture.ts"
import { revocationsContract } from "./revocations-contract.ts"

const server = await startRedis()
afterAll(() => server.stop())

const LIFETIME_MS = 86_400_000
const clock = TestClock.layer({ warningDelay: "1 minute" })

revocationsContract(
  "redis",
  redisLayer(server.url, {}, { maxTokenLifetimeMs: LIFETIME_MS }).pipe(Layer.provideMerge(clock)),
  LIFETIME_MS,
  TestClock.adjust,
)

it.live("are told to every node", () =>
  Effect.gen(function* () {
    const prefix = "shared-revocations"
    const a = yield* Effect.provide(Revocations, yield* Layer.build(redisLayer(server.url, { prefix })))
    const b = yield* Effect.provide(Revocations, yield* Layer.build(redisLayer(server.url, { prefix })))
    const { id } = yield* a.add({ userId: "ana", issuedBefore: 1_000 })
    const claims = { userId: "ana", issuedAt: 999, tokenId: undefined }
    expect(yield* b.isRevoked(claims)).toBe(true)
    expect(yield* b.remove(id)).toBe(true)
    expect(yield* a.isRevoked(claims)).toBe(false)
  }).pipe(Effect.scoped),
)

it.live("are refused where there are as many as are kept, and taken when one of them has ended", () => {
  const metrics = recordingMetrics()
  const prefix = "full-revocations"
  return Effect.gen(function* () {
    const revocations = yield* Revocations
    yield* revocations.add({ tokenId: "first", expiresAt: 1 })
    const fill = `for i = 1, 100 do
      local some = {}
      for k = 1, i == 100 and 999 or 1000 do some[2 * k - 1], some[2 * k] = i, 'x' .. i .. '-' .. k end
      redis.call('ZADD', KEYS[1] .. ':all', unpack(some))
    end`
    yield* Effect.promise(() => server.client.eval(fill, 1, `${prefix}:{revocations}`))
    const refused = yield* Effect.flip(revocations.add({ userId: "ben", issuedBefore: 1 }))
    expect(refused).toMatchObject({ _tag: "overloaded", retryAfterMs: 60_000 })
    expect(metrics.hits).toEqual(["revocations"])
    yield* TestClock.adjust("2 hours")
    yield* revocations.add({ userId: "ben", issuedBefore: 1 })
  }).pipe(Effect.provide(redisLayer(server.url, { prefix }, {}, metrics.layer).pipe(Layer.provideMerge(clock))))
})
