import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { memoryRevocations } from "#adapters/memory/memory-revocations.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { Settings } from "#application/ports/settings.ts"
import { MAX_REVOCATIONS } from "#domain/revocation.ts"
import { recordingMetrics, silentMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { revocationsContract } from "./revocations-contract.ts"

const LIFETIME_MS = 86_400_000
const settings = Layer.succeed(Settings, testSettings({ maxTokenLifetimeMs: LIFETIME_MS }))
/** Filling takes longer than a test may sit still by default, before the clock complains. */
const clock = TestClock.layer({ warningDelay: "1 minute" })

revocationsContract(
  "memory",
  memoryRevocations.pipe(Layer.provide([silentMetrics, settings]), Layer.provideMerge(clock)),
  LIFETIME_MS,
  TestClock.adjust,
)

describe("memory revocations, full", () => {
  it.live("refuses another one, says so, and takes it when one is lifted", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const revocations = yield* Revocations
      const first = yield* revocations.add({ userId: "ana", issuedBefore: 1 })
      for (let i = 1; i < MAX_REVOCATIONS; i++) yield* revocations.add({ userId: "ana", issuedBefore: 1 })
      expect(metrics.hits).toEqual([])
      const refused = yield* Effect.flip(revocations.add({ userId: "ben", issuedBefore: 1 }))
      expect(refused).toMatchObject({ _tag: "overloaded", retryAfterMs: 60_000 })
      expect(metrics.hits).toEqual(["revocations"])
      expect(metrics.gauge("revocations")).toBe(MAX_REVOCATIONS)
      yield* revocations.remove(first.id)
      yield* revocations.add({ userId: "ben", issuedBefore: 1 })
    }).pipe(Effect.provide(memoryRevocations.pipe(Layer.provide([metrics.layer, settings]), Layer.provideMerge(clock))))
  })

  it.live("makes room by forgetting those that are of no use any more", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const revocations = yield* Revocations
      for (let i = 0; i < MAX_REVOCATIONS; i++) yield* revocations.add({ tokenId: `t${i}`, expiresAt: 1 })
      yield* TestClock.adjust("2 hours")
      expect(metrics.gauge("revocations")).toBe(0)
      yield* revocations.add({ tokenId: "new", expiresAt: undefined })
      expect(metrics.hits).toEqual([])
    }).pipe(Effect.provide(memoryRevocations.pipe(Layer.provide([metrics.layer, settings]), Layer.provideMerge(clock))))
  })
})

describe("memory revocations, full of some whose time is over since they were last looked through", () => {
  it.live("make room for another one at once", () =>
    Effect.gen(function* () {
      const revocations = yield* Revocations
      for (let i = 0; i < MAX_REVOCATIONS; i++) yield* revocations.add({ tokenId: `t${i}`, expiresAt: 30 })
      // Half a minute after the last look, which is once a minute.
      yield* TestClock.adjust(1_230_000)
      yield* revocations.add({ tokenId: "new", expiresAt: undefined })
    }).pipe(
      Effect.provide(memoryRevocations.pipe(Layer.provide([silentMetrics, settings]), Layer.provideMerge(clock))),
    ),
  )
})

describe("memory revocations, at the end of their time", () => {
  it.effect("are gone at once, not only when they are next looked through", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const revocations = yield* Revocations
      const { id } = yield* revocations.add({ tokenId: "t1", expiresAt: 1 })
      const isRevoked = revocations.isRevoked({ userId: "ana", issuedAt: 0, tokenId: "t1" })
      yield* TestClock.adjust(1_200_999)
      expect(yield* isRevoked).toBe(true)
      yield* TestClock.adjust(1)
      expect(yield* isRevoked).toBe(false)
      expect((yield* revocations.list({ limit: 10, cursor: undefined })).items).toEqual([])
      expect(metrics.gauge("revocations")).toBe(1)
      expect(yield* revocations.remove(id)).toBe(false)
    }).pipe(Effect.provide(memoryRevocations.pipe(Layer.provide([metrics.layer, settings]))))
  })
})
