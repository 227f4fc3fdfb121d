import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  formatOffset,
  formatPosition,
  nextOffset,
  type Offset,
  offsetToMs,
  parseOffset,
  parsePosition,
} from "#domain/offset.ts"
import { anyText } from "./made.ts"

const NOW = 1_700_000_000_000
const epochs = fc.string({
  unit: fc.constantFrom(..."abcXYZ019_-"),
  minLength: 1,
  maxLength: 40,
})
const offsets = fc.oneof(
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.integer({ min: 0, max: 100 }),
  fc.constant(NOW * 1000),
)

describe("the clock of offsets", () => {
  it("gives each offset once, above all before it, and never behind the time, even where the time goes back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5_000, max: 5_000 })), (steps) => {
        let last: Offset = 0
        let now = NOW
        for (const step of steps) {
          now += step
          const next = nextOffset(last, now)
          expect(next).toBeGreaterThan(last)
          expect(next).toBeGreaterThanOrEqual(now * 1000)
          expect(Number.isSafeInteger(next)).toBe(true)
          last = next
        }
      }),
    )
  })

  it("says in which millisecond an offset was taken, while fewer than a thousand are taken in it", () => {
    let offset = 0
    for (let i = 0; i < 1_000; i++) {
      offset = nextOffset(offset, NOW)
      expect(offsetToMs(offset)).toBe(NOW)
    }
    expect(offsetToMs(nextOffset(offset, NOW))).toBe(NOW + 1)
  })
})

describe("an offset as text", () => {
  it("is read back as it was written", () => {
    fc.assert(
      fc.property(epochs, offsets, (epoch, offset) => {
        expect(parseOffset(formatOffset(epoch, offset))).toEqual({ epoch, offset })
      }),
    )
  })

  it("is undefined where it is not one, and never throws", () => {
    for (const text of ["", ".", "a", "a.", ".1", "a.b", "a.1.2", "a.-1", "a.1e3", "a. 1", "a.1\n", "ä.1", "a b.1"])
      expect(parseOffset(text), text).toBeUndefined()
    expect(parseOffset("a.9007199254740993")).toBeUndefined()
    expect(parseOffset(`${"a".repeat(41)}.1`)).toBeUndefined()
    expect(parseOffset(`a.${"0".repeat(17)}`)).toBeUndefined()
    fc.assert(
      fc.property(fc.oneof(fc.anything(), anyText(80)), (value) => {
        const parsed = parseOffset(value)
        if (parsed === undefined) return
        expect(typeof value).toBe("string")
        expect(Number.isSafeInteger(parsed.offset)).toBe(true)
        expect(parseOffset(formatOffset(parsed.epoch, parsed.offset))).toEqual(parsed)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe("a position", () => {
  it("is read back as it was written, for any number of partitions", () => {
    fc.assert(
      fc.property(epochs, fc.array(offsets, { minLength: 1, maxLength: 40 }), (epoch, all) => {
        expect(parsePosition(formatPosition(epoch, all))).toEqual({ epoch, offsets: all })
      }),
    )
    const most = Array.from({ length: 1_024 }, () => Number.MAX_SAFE_INTEGER)
    expect(parsePosition(formatPosition("e".repeat(40), most))?.offsets).toEqual(most)
    expect(parsePosition(formatPosition("e", [...most, 1]))).toBeUndefined()
  })

  it("is told from another by every partition", () => {
    fc.assert(
      fc.property(fc.array(offsets, { minLength: 1, maxLength: 5 }), fc.array(offsets, { maxLength: 5 }), (a, b) => {
        expect(formatPosition("e", a) === formatPosition("e", b)).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
    )
  })

  it("is undefined where it is not one, and never throws, however long the text", () => {
    for (const text of ["", "e", "e.", ".1", "e..1", "e.1.", "e.A", "e.-1", "e.1 ", "e.1\n", "é.1", "e.zzzzzzzzzzz"])
      expect(parsePosition(text), text).toBeUndefined()
    expect(parsePosition(`e${".1".repeat(1_000_000)}`)).toBeUndefined()
    fc.assert(
      fc.property(fc.oneof(fc.anything(), anyText(80)), (value) => {
        const parsed = parsePosition(value)
        if (parsed === undefined) return
        expect(typeof value).toBe("string")
        expect(parsed.offsets.length).toBeGreaterThan(0)
        expect(parsed.offsets.every((offset) => Number.isSafeInteger(offset) && offset >= 0)).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})
