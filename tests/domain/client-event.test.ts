import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { compileEventRules, type EventRule, isReservedEvent } from "#domain/client-event.ts"
import { compilePattern } from "#domain/pattern.ts"

const rule = (match: string, timeoutMs = 1_000): EventRule => ({ match, forward: "rpc", timeoutMs })

describe("the rules of client events", () => {
  it("are tried in order, and where none matches there is none", () => {
    const text = (letters: string) => fc.string({ unit: fc.constantFrom(...letters), maxLength: 4 })
    fc.assert(
      fc.property(fc.array(text("ab*"), { maxLength: 5 }), text("ab"), (patterns, event) => {
        const rules = patterns.map((match, i) => rule(match, i))
        expect(compileEventRules(rules)(event)).toBe(rules.find(({ match }) => compilePattern(match)(event)))
      }),
      { numRuns: 1_000 },
    )
  })

  it("match as in the documentation", () => {
    const ruleOf = compileEventRules([rule("order.*", 3_000), rule("*", 1)])
    expect(ruleOf("order.paid")?.timeoutMs).toBe(3_000)
    expect(ruleOf("order")?.timeoutMs).toBe(1)
    expect(compileEventRules([])("order")).toBeUndefined()
  })
})

describe("an event of the gateway's own", () => {
  it("is told by its beginning, or is a name that stock clients take for a broken packet", () => {
    for (const event of ["room:join", "room:", "session:refresh", "session:anything", "disconnect", "newListener"])
      expect(isReservedEvent(event)).toBe(true)
    for (const event of [
      "room",
      "rooms:a",
      "Room:join",
      " room:join",
      "chat.room:join",
      "session",
      "",
      "disconnected",
      "Connect",
      "error",
    ])
      expect(isReservedEvent(event)).toBe(false)
  })
})
