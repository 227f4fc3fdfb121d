import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Gate, type Publication } from "#domain/gate.ts"
import { messageBytes } from "#domain/message.ts"
import { messageTo, room } from "./made.ts"

const publication = (offset: number, characters = 0): Publication => ({
  room: room("a"),
  partition: 0,
  offset,
  message: messageTo(["a"], { data: JSON.stringify("x".repeat(characters)) }),
})

const bytesOf = (all: readonly Publication[]): number =>
  all.reduce((bytes, { message }) => bytes + messageBytes(message), 0)

describe("a gate", () => {
  it("lets go what it held, in the order that it came, and is empty then", () => {
    const gate = new Gate(10, 10_000)
    const held = [publication(3), publication(5), publication(4)]
    for (const one of held) gate.hold(one)
    expect(gate.release()).toEqual(held)
    expect(gate.release()).toEqual([])
  })

  it("holds all of it or, past its number or its bytes, none of it, and says so", () => {
    const action = fc.oneof(
      { weight: 8, arbitrary: fc.nat({ max: 400 }) },
      { weight: 1, arbitrary: fc.constantFrom("release" as const, "restart" as const) },
    )
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 40 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 100, max: 3_000 }),
        (actions, maxMessages, maxBytes) => {
          const gate = new Gate(maxMessages, maxBytes)
          let since: Publication[] = []
          for (const [offset, what] of actions.entries()) {
            if (typeof what === "number") {
              const one = publication(offset, what)
              since.push(one)
              gate.hold(one)
            } else {
              const fits = since.length <= maxMessages && bytesOf(since) <= maxBytes
              expect(gate.overflowed).toBe(!fits)
              if (what === "release") expect(gate.release()).toEqual(fits ? since : [])
              else gate.restart()
              expect(gate.overflowed).toBe(false)
              since = []
            }
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it("holds nothing more once it overflowed, until it begins again", () => {
    const gate = new Gate(2, 10_000)
    for (const offset of [1, 2, 3, 4]) gate.hold(publication(offset))
    expect(gate.overflowed).toBe(true)
    gate.restart()
    gate.hold(publication(5))
    expect([gate.overflowed, gate.release()]).toEqual([false, [publication(5)]])
  })

  it("overflows by a single message that is larger than it may hold", () => {
    const gate = new Gate(10, 500)
    gate.hold(publication(1, 1_000))
    expect([gate.overflowed, gate.release()]).toEqual([true, []])
  })

  it("holds exactly as many bytes as it may, and not one more", () => {
    const held = [publication(1, 10), publication(2, 20)]
    for (const [spare, overflowed] of [
      [0, false],
      [-1, true],
    ] as const) {
      const gate = new Gate(10, bytesOf(held) + spare)
      for (const one of held) gate.hold(one)
      expect(gate.overflowed).toBe(overflowed)
    }
  })

  it("may be bounded by number alone", () => {
    const gate = new Gate(3, Number.POSITIVE_INFINITY)
    for (const offset of [1, 2, 3]) gate.hold(publication(offset, 100_000))
    expect(gate.overflowed).toBe(false)
    expect(gate.release()).toHaveLength(3)
  })
})
