import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isSessionId, MAX_PAST_IDS, withConnectionId } from "#domain/session.ts"
import { anyText } from "./made.ts"

describe("a session's id", () => {
  it("is 27 characters of base64url, which is 160 bits, and nothing else", () => {
    const base64url = fc.constantFrom(..."ABCXYZabcxyz0189-_")
    fc.assert(
      fc.property(fc.string({ unit: base64url, maxLength: 30 }), (text) => {
        expect(isSessionId(text)).toBe(text.length === 27)
      }),
    )
    for (const text of [`${"a".repeat(26)}=`, `${"a".repeat(26)} `, `${"a".repeat(27)}\n`, "ä".repeat(27)])
      expect(isSessionId(text)).toBe(false)
  })

  it("is never another value, and nothing makes the check throw", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), anyText(40)), (value) => {
        expect(isSessionId(value)).toBe(typeof value === "string" && /^[A-Za-z0-9_-]{27}$/.test(value))
      }),
    )
    expect(isSessionId(["a".repeat(27)])).toBe(false)
  })
})

describe("the connection ids that a session had", () => {
  it("are kept newest last, and at most so many of them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 * MAX_PAST_IDS }), (count) => {
        const all = Array.from({ length: count }, (_, i) => `c${i}`)
        const kept = all.reduce<readonly string[]>(withConnectionId, [])
        expect(kept).toEqual(all.slice(-MAX_PAST_IDS))
      }),
    )
  })

  it("do not change under who reads them", () => {
    const ids = ["c1"]
    expect(withConnectionId(ids, "c2")).toEqual(["c1", "c2"])
    expect(ids).toEqual(["c1"])
  })
})
