import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { declinedFault } from "#domain/declined.ts"
import { NOTICE_TRIES, retryDelayMs } from "#domain/webhook.ts"

describe("the wait before a webhook is tried again", () => {
  it("is four times as long after each try, spread over 50-150 %", () => {
    expect([retryDelayMs(1, 500, 0), retryDelayMs(1, 500, 0.5), retryDelayMs(2, 500, 0.5)]).toEqual([250, 500, 2_000])
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: NOTICE_TRIES }),
        fc.integer({ min: 10, max: 10_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (tries, baseMs, random) => {
          const delay = retryDelayMs(tries, baseMs, random)
          const middle = baseMs * 4 ** (tries - 1)
          expect(delay).toBeGreaterThanOrEqual(middle * 0.5)
          expect(delay).toBeLessThanOrEqual(middle * 1.5 + 0.5)
        },
      ),
    )
  })
})

describe("the words of a backend's or a handler's refusal", () => {
  it("are bounded, and anything at all may be asked about", () => {
    expect(declinedFault("Sold.Out_1-x", "", undefined)).toBeUndefined()
    expect(declinedFault("no", "m", { deep: [1] })).toBeUndefined()
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (code, message, details) => {
        if (declinedFault(code, message, details) !== undefined) return
        expect(code).toMatch(/^[a-zA-Z0-9_.-]{1,64}$/)
        expect(typeof message === "string" && message.length <= 500).toBe(true)
        if (details !== undefined) expect(Buffer.byteLength(JSON.stringify(details))).toBeLessThanOrEqual(4_096)
      }),
    )
  })

  it.each([
    ["a\n", "m", undefined, "code"],
    [undefined, "m", undefined, "code"],
    ["no", 3, undefined, "message"],
    ["no", "m", "ü".repeat(2_048), "details has at most 4096 bytes"],
    ["no", "m", { f: () => 1 }, "details is plain JSON"],
  ])("%j, %j, %j are refused: %s", (code, message, details, fault) => {
    expect(declinedFault(code, message, details)).toContain(fault)
  })
})
