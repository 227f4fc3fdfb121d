import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { TokenBucket } from "#domain/limits.ts"

const requests = fc.array(
  fc.record({ afterMs: fc.integer({ min: 0, max: 2_000 }), cost: fc.integer({ min: 1, max: 30 }) }),
)
const limits = fc.record({ perSecond: fc.integer({ min: 1, max: 50 }), burst: fc.integer({ min: 1, max: 20 }) })

describe("a token bucket", () => {
  it("never lets more pass than the burst and the rate allow, but for the last cost above the burst", () => {
    fc.assert(
      fc.property(limits, requests, ({ perSecond, burst }, all) => {
        const bucket = new TokenBucket(perSecond, burst, 0)
        let now = 0
        let passed = 0
        for (const { afterMs, cost } of all) {
          now += afterMs
          const before = passed
          if (bucket.take(now, cost) === 0) passed += cost
          const allowed = burst + (now * perSecond) / 1000 + 1e-6
          expect(passed === before || before + Math.min(cost, burst) <= allowed).toBe(true)
        }
      }),
    )
  })

  it("allows a refused cost at the latest 1 ms after the time that it named", () => {
    fc.assert(
      fc.property(limits, requests, ({ perSecond, burst }, all) => {
        const bucket = new TokenBucket(perSecond, burst, 0)
        let now = 0
        for (const { afterMs, cost } of all) {
          now += afterMs
          const wait = bucket.take(now, cost)
          if (wait === 0) continue
          now += wait + 1
          expect(bucket.take(now, cost)).toBe(0)
        }
      }),
    )
  })

  it("does not go back with the time", () => {
    const bucket = new TokenBucket(1, 1, 10_000)
    expect(bucket.take(10_000)).toBe(0)
    expect(bucket.take(5_000)).toBe(1_000)
    expect(bucket.take(11_000)).toBe(0)
  })

  it("fills as fast as ever after the clock was set back by an hour", () => {
    const bucket = new TokenBucket(1, 1, 3_600_000)
    expect(bucket.take(3_600_000)).toBe(0)
    expect(bucket.take(0)).toBe(1_000)
    expect(bucket.take(1_000)).toBe(0)
  })

  it("is full again when all of it was given back, and not before", () => {
    const bucket = new TokenBucket(2, 4, 0)
    expect(bucket.take(0, 6)).toBe(0)
    expect(bucket.left).toBe(0)
    expect(bucket.msUntil(1)).toBe(1_500)
    expect(bucket.msUntil(4)).toBe(3_000)
    expect(bucket.isFull(2_999)).toBe(false)
    expect(bucket.isFull(3_000)).toBe(true)
  })

  it("is full by the time since it was last taken from, whatever the time of day", () => {
    const bucket = new TokenBucket(1, 2, 1_000_000)
    expect(bucket.isFull(1_000_000)).toBe(true)
    expect(bucket.take(1_000_000, 2)).toBe(0)
    expect(bucket.isFull(1_001_999)).toBe(false)
    expect(bucket.isFull(1_002_000)).toBe(true)
  })
})
