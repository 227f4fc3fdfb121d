import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { compilePattern, compilePatterns } from "#domain/pattern.ts"
import { anyText } from "./made.ts"

/** Slow and obviously right. */
const matches = (pattern: string, name: string): boolean => {
  if (pattern === "") return name === ""
  if (pattern[0] === "*") return matches(pattern.slice(1), name) || (name !== "" && matches(pattern, name.slice(1)))
  return pattern[0] === name[0] && matches(pattern.slice(1), name.slice(1))
}

const over = (letters: string, maxLength: number) => fc.string({ unit: fc.constantFrom(...letters), maxLength })

/** A name that counts how many of its characters are looked at. */
class CountedName {
  looks = 0
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  get length(): number {
    return this.text.length
  }

  startsWith(part: string): boolean {
    this.looks += part.length
    return this.text.startsWith(part)
  }

  endsWith(part: string): boolean {
    this.looks += part.length
    return this.text.endsWith(part)
  }

  indexOf(part: string, from: number): number {
    const found = this.text.indexOf(part, from)
    this.looks += (found < 0 ? this.text.length : found + part.length) - from
    return found
  }
}

describe("a pattern", () => {
  it("matches what a slow and obviously right matcher matches", () => {
    fc.assert(
      fc.property(over("ab*", 9), over("ab", 12), (pattern, name) => {
        expect(compilePattern(pattern)(name)).toBe(matches(pattern, name))
      }),
      { numRuns: 10_000 },
    )
  })

  it("takes everything but the star for itself", () => {
    for (const [pattern, name] of [
      ["a.b", "axb"],
      ["a?", "ab"],
      ["[ab]", "a"],
      ["a+", "aa"],
      ["^a$", "a"],
      ["\\*", "*a"],
      ["A", "a"],
    ] as const) {
      expect(compilePattern(pattern)(name), pattern).toBe(false)
      expect(compilePattern(pattern.replaceAll("*", ""))(pattern.replaceAll("*", "")), pattern).toBe(true)
    }
  })

  it("matches as in the documentation", () => {
    const chat = compilePattern("chat:*")
    expect(["chat:", "chat:42", "chat:a:b"].every(chat)).toBe(true)
    expect(["chat", "achat:42", "", "CHAT:1"].some(chat)).toBe(false)
    expect(compilePattern("*")("")).toBe(true)
    expect(compilePattern("")("")).toBe(true)
    expect(compilePattern("")("a")).toBe(false)
    expect(compilePattern("a*a")("a")).toBe(false)
    expect(compilePattern("ab*ba")("aba")).toBe(false)
    expect(compilePattern("*order*paid*")("an order was paid")).toBe(true)
  })

  it("matches a name made from it by filling the stars, with any text", () => {
    fc.assert(
      fc.property(fc.array(anyText(6), { minLength: 1 }), fc.string(), (parts, fill) => {
        const literal = parts.map((part) => part.replaceAll("*", ""))
        expect(compilePattern(literal.join("*"))(literal.join(fill))).toBe(true)
      }),
    )
  })

  it("looks at each character of a name a few times at most, however hostile the pattern", () => {
    const hostile = fc.oneof(
      fc
        .tuple(fc.integer({ min: 1, max: 99 }), fc.constantFrom("a*", "*a", "*aa", "a*b*", "*ab"))
        .map(([times, part]) => `${part.repeat(times)}c`),
      over("ab*", 200),
    )
    fc.assert(
      fc.property(hostile, fc.oneof(over("ab", 200), fc.constant("a".repeat(200))), (pattern, text) => {
        fc.pre(pattern.includes("*"))
        const name = new CountedName(text)
        expect(compilePattern(pattern)(name as unknown as string)).toBe(compilePattern(pattern)(text))
        expect(name.looks).toBeLessThanOrEqual(2 * (pattern.length + text.length))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe("several patterns", () => {
  it("match where one of them does, and none match nothing", () => {
    fc.assert(
      fc.property(fc.array(over("ab*", 5), { maxLength: 4 }), over("ab", 6), (patterns, name) => {
        expect(compilePatterns(patterns)(name)).toBe(patterns.some((pattern) => matches(pattern, name)))
      }),
      { numRuns: 2_000 },
    )
  })
})
