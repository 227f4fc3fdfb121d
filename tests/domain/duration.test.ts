import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseDuration } from "#domain/duration.ts"

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

describe("a duration", () => {
  it("is written as in the documentation", () => {
    expect(parseDuration("500ms")).toBe(500)
    expect(parseDuration("3s")).toBe(3_000)
    expect(parseDuration("2m")).toBe(120_000)
    expect(parseDuration("24h")).toBe(86_400_000)
    expect(parseDuration("7d")).toBe(604_800_000)
    expect(parseDuration(250)).toBe(250)
    expect(parseDuration("250")).toBe(250)
    expect(parseDuration("0")).toBe(0)
  })

  it("comes out as its number times its unit, for every number and unit", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100_000_000 }),
        fc.constantFrom(...(Object.keys(UNITS) as (keyof typeof UNITS)[])),
        (count, unit) => {
          expect(parseDuration(`${count}${unit}`)).toBe(count * UNITS[unit])
        },
      ),
    )
  })

  it("reads a whole number the same as a number and as text", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (ms) => {
        expect(parseDuration(ms)).toBe(ms)
        expect(parseDuration(String(ms))).toBe(ms)
      }),
    )
  })

  it("is nothing else: no sign, no fraction, no space, no unknown unit, not too large to count", () => {
    for (const text of [
      "",
      " ",
      "3 s",
      " 3s",
      "3s ",
      "-1",
      "-1s",
      "1.5s",
      "1e3",
      "3S",
      "3sec",
      "s",
      "1h30m",
      "∞",
      "0x10",
    ])
      expect(parseDuration(text), text).toBeUndefined()
    for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, null, undefined, true, ["3s"], {}])
      expect(parseDuration(value), String(value)).toBeUndefined()
    expect(parseDuration("9007199254740991d")).toBeUndefined()
    expect(parseDuration("3s\n")).toBeUndefined()
  })

  it("never throws and never answers anything but a whole number, for any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const ms = parseDuration(text)
        expect(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true)
      }),
    )
  })
})
