import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MAX_NAME_BYTES, nameFault, utf8Length } from "#domain/name.ts"
import { anyText } from "./made.ts"

const KINDS = ["room", "event", "user"] as const

describe("the length of a text in UTF-8", () => {
  it("is what an encoder would write, lone surrogates included", () => {
    const encoder = new TextEncoder()
    fc.assert(
      fc.property(anyText(60), (text) => {
        expect(utf8Length(text)).toBe(encoder.encode(text).length)
      }),
      { numRuns: 2_000 },
    )
  })

  it("counts a pair that is cut in two as two replacement characters", () => {
    expect(utf8Length("😀")).toBe(4)
    expect(utf8Length("\ud83d")).toBe(3)
    expect(utf8Length("\ude00\ud83d")).toBe(6)
    expect(utf8Length("\ud83d\ud83d\ude00")).toBe(7)
  })
})

describe("a name", () => {
  it("is 1 to 200 bytes, not characters, and one more is refused with what was found", () => {
    for (const kind of KINDS)
      for (const [unit, bytes] of [
        ["a", 1],
        ["é", 2],
        ["€", 3],
        ["😀", 4],
      ] as const) {
        const longest = unit.repeat(Math.floor(MAX_NAME_BYTES / bytes))
        expect(nameFault(longest, kind)).toBeUndefined()
        expect(nameFault(`${longest}${unit}`, kind)).toContain(`found ${utf8Length(longest) + bytes}`)
      }
    expect(nameFault("", "room")).toBe("a room's name has 1-200 bytes, found an empty one")
  })

  it("may be any printable text without spaces and stars, in any script", () => {
    for (const kind of KINDS)
      for (const name of [
        "a",
        "chat:42",
        "room/1?x=%20",
        "zażółć",
        "房间",
        "غرفة",
        "👩",
        "$all",
        "-",
        "...",
        ".a",
        "'\"\\<>",
      ])
        expect(nameFault(name, kind), name).toBeUndefined()
  })

  it("is none that a URL's path takes for a step, where it is to be found in one", () => {
    for (const name of [".", ".."]) {
      for (const kind of ["room", "user"] as const) expect(nameFault(name, kind)).toMatch(/which no URL can name$/)
      expect(nameFault(name, "event")).toBeUndefined()
    }
  })

  it("has no control, format, private or unassigned character and no half of a pair, wherever it stands", () => {
    const banned = ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\u0085", "\u00ad", "\u200b", "\u200f", "\u202e", "\ufeff"]
    for (const kind of KINDS)
      for (const unit of [...banned, "\ue000", "\u{10ffff}", "\ud800", "\udfff"])
        for (const name of [unit, `a${unit}`, `${unit}a`, `a${unit}a`])
          expect(nameFault(name, kind), JSON.stringify(name)).toMatch(/printable/)
  })

  it("may hold spaces where it names an event or a user, not where it names a room", () => {
    for (const space of [" ", "\u00a0", "\u2003", "\u3000"]) {
      expect(nameFault(`a${space}b`, "room")).toBe("a room's name has no spaces and no *")
      expect(nameFault(`a${space}b`, "event")).toBeUndefined()
      expect(nameFault(`a${space}b`, "user")).toBeUndefined()
    }
  })

  it("holds no star where patterns are matched against it", () => {
    expect(nameFault("a*", "room")).toBe("a room's name has no spaces and no *")
    expect(nameFault("*", "event")).toBe("an event's name has no *")
  })

  it("is a string: anything else is refused by its type, and nothing makes the check throw", () => {
    expect(nameFault(null, "room")).toBe("a room's name is a string, found null")
    expect(nameFault(7, "event")).toBe("an event's name is a string, found number")
    fc.assert(
      fc.property(fc.oneof(fc.anything(), anyText(250)), fc.constantFrom(...KINDS), (value, kind) => {
        const fault = nameFault(value, kind)
        if (typeof value !== "string") expect(fault).toMatch(/is a string, found/)
        else if (fault === undefined) {
          expect(new TextEncoder().encode(value).length).toBeLessThanOrEqual(MAX_NAME_BYTES)
          expect(new TextDecoder("utf-8", { fatal: true }).decode(new TextEncoder().encode(value))).toBe(value)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it("is accepted for every text of printable ASCII of a right length", () => {
    const printable = fc.integer({ min: 0x21, max: 0x7e }).map((unit) => String.fromCharCode(unit))
    fc.assert(
      fc.property(fc.string({ unit: printable, minLength: 1, maxLength: MAX_NAME_BYTES }), (name) => {
        expect(nameFault(name, "room") === undefined).toBe(!name.includes("*"))
        expect(nameFault(name, "user")).toBeUndefined()
      }),
    )
  })
})
