import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { compileEventRules, type EventRule, ownerOfEvent } from "#domain/client-event.ts"
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

describe("an event's name", () => {
  it("is the gateway's by its beginning alone", () => {
    for (const event of ["room:join", "room:", "session:refresh", "session:anything"])
      expect(ownerOfEvent(event)).toBe("the gateway")
    for (const event of ["room", "rooms:a", "Room:join", " room:join", "chat.room:join", "session", ""])
      expect(ownerOfEvent(event)).toBeUndefined()
  })

  it("is Socket.IO's where its parser takes the name for a broken stream", () => {
    for (const event of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"])
      expect(ownerOfEvent(event)).toBe("Socket.IO")
    for (const event of ["connected", "Disconnect", "disconnect ", "error", "constructor"])
      expect(ownerOfEvent(event)).toBeUndefined()
  })
})
