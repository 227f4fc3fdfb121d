import { describe, expect, it } from "@effect/vitest"
import { weightOf } from "#domain/weight.ts"

const MOST = 1_000_000

describe("the weight of data", () => {
  it.each([
    ["a string, more than its length", "x".repeat(1_000), 1_000, 1_100],
    ["empty arrays, far more than their text", Array.from({ length: 1_000 }, () => []), 30_000, 100_000],
    ["an object's keys", Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key-${i}`, null])), 3_000, 10_000],
    ["binary data, its bytes", new Uint8Array(5_000), 5_000, 5_200],
    ["nothing, little", null, 1, 100],
  ])("is of %s", (_, data, least, most) => {
    expect(weightOf(data, MOST)).toBeGreaterThanOrEqual(least)
    expect(weightOf(data, MOST)).toBeLessThanOrEqual(most)
  })

  it("is counted however deep the data is", () => {
    const depth = 100_000
    const deep: unknown = JSON.parse("[".repeat(depth) + "]".repeat(depth))
    expect(weightOf(deep, 100 * depth)).toBeGreaterThan(48 * depth)
  })

  it("is counted no further than asked", () => {
    const looked: number[] = []
    const items = Array.from({ length: 1_000 }, (_, i) => ({
      get at() {
        looked.push(i)
        return "x".repeat(100)
      },
    }))
    expect(weightOf(items, 10_000)).toBeGreaterThan(10_000)
    expect(looked.length).toBeLessThan(200)
  })
})
