import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { declinedFault } from "#domain/declined.ts"

describe("the words in which a backend or a handler refuses", () => {
  it("are a short code, a message and any small JSON, or no details", () => {
    expect(declinedFault("not_in_stock", "none are left", undefined)).toBeUndefined()
    expect(declinedFault("E-42.a", "", { left: 0, of: [1, null] })).toBeUndefined()
    expect(declinedFault("x".repeat(64), "m".repeat(500), null)).toBeUndefined()
  })

  it("are faulted by what is wrong with them", () => {
    for (const code of ["", "a b", "a\n", "é", "x".repeat(65), undefined, 7, null, ["a"]])
      expect(declinedFault(code, "m", undefined), String(code)).toMatch(/^code is/)
    for (const message of [undefined, null, 7, "m".repeat(501)])
      expect(declinedFault("a", message, undefined)).toMatch(/^message is text of at most 500/)
    for (const details of [() => 1, 1n, new Date(0), { a: undefined }, Number.NaN])
      expect(declinedFault("a", "m", details)).toMatch(/^details is plain JSON:/)
  })

  it("are bounded in bytes of UTF-8, not in characters", () => {
    expect(declinedFault("a", "m", "x".repeat(4_094))).toBeUndefined()
    expect(declinedFault("a", "m", "x".repeat(4_095))).toBe("details has at most 4096 bytes as JSON")
    expect(declinedFault("a", "m", "é".repeat(2_047))).toBeUndefined()
    expect(declinedFault("a", "m", "é".repeat(2_048))).toBe("details has at most 4096 bytes as JSON")
  })

  it("are checked without throwing, whatever was given", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (code, message, details) => {
        expect(["string", "undefined"]).toContain(typeof declinedFault(code, message, details))
      }),
    )
  })
})
