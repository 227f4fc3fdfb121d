import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { compilePattern } from "#domain/pattern.ts"
import { connectionRoom, EVERYBODY, userRoom } from "#domain/room.ts"
import { compileRoomRules, type History, type RoomRule } from "#domain/room-rules.ts"
import { room } from "./made.ts"

const rule = (match: string, more: Partial<RoomRule> = {}): RoomRule => ({
  match,
  join: "anyone",
  publish: "nobody",
  presence: false,
  history: undefined,
  ...more,
})

const history = (ttlMs: number): History => ({ size: 10, ttlMs })
const nothing = { history: undefined }

describe("the rules of rooms", () => {
  it("are tried in order: the first that matches wins, and where none does there is none", () => {
    const text = (letters: string) => fc.string({ unit: fc.constantFrom(...letters), maxLength: 4 })
    fc.assert(
      fc.property(fc.array(text("ab*"), { maxLength: 6 }), text("ab"), (patterns, name) => {
        const rules = patterns.map((match, i) => rule(match, { history: history(i + 1) }))
        const { historyOf, ruleOf } = compileRoomRules({ rooms: rules, users: nothing, everybody: nothing })
        const first = rules.find(({ match }) => compilePattern(match)(name))
        expect(ruleOf(room(name))).toBe(first)
        expect(historyOf(room(name))).toBe(first?.history)
      }),
      { numRuns: 1_000 },
    )
  })

  it("let a narrow rule stand before a wide one, not after it", () => {
    const narrow = rule("news:private", { join: "nobody" })
    const wide = rule("news:*")
    const of = (rooms: readonly RoomRule[]) =>
      compileRoomRules({ rooms, users: nothing, everybody: nothing }).ruleOf(room("news:private"))
    expect(of([narrow, wide])).toBe(narrow)
    expect(of([wide, narrow])).toBe(wide)
  })

  it("say nothing about what the gateway's own rooms keep, not even a rule for every name", () => {
    const [users, everybody, rooms] = [history(1), history(2), history(3)]
    const { historyOf } = compileRoomRules({
      rooms: [rule("*", { history: rooms })],
      users: { history: users },
      everybody: { history: everybody },
    })
    expect(historyOf(userRoom("ann"))).toBe(users)
    expect(historyOf(EVERYBODY)).toBe(everybody)
    expect(historyOf(connectionRoom("c1"))).toBeUndefined()
    expect(historyOf(room("any"))).toBe(rooms)
    const silent = compileRoomRules({ rooms: [rule("*", { history: rooms })], users: nothing, everybody: nothing })
    expect(silent.historyOf(userRoom("ann"))).toBeUndefined()
    expect(silent.historyOf(EVERYBODY)).toBeUndefined()
  })

  it("know the longest time that anything is kept", () => {
    const longest = (rooms: readonly number[], users?: number, everybody?: number): number =>
      compileRoomRules({
        rooms: rooms.map((ttlMs) => rule("a", { history: history(ttlMs) })),
        users: { history: users === undefined ? undefined : history(users) },
        everybody: { history: everybody === undefined ? undefined : history(everybody) },
      }).longestHistoryMs
    expect(longest([])).toBe(0)
    expect(longest([5, 9, 7])).toBe(9)
    expect(longest([5], 10, 3)).toBe(10)
    expect(longest([5], 3, 10)).toBe(10)
  })
})
