import { describe, expect, it } from "vitest"
import { type Judgement, judge } from "./checker.ts"
import { type Accepted, emptyJournal, type Journal } from "./journal.ts"
import { indexRooms } from "./room-index.ts"

/** Push `n` has the offset 1000 + 10 n. */
const offsetOf = (n: number): number => 1_000 + n * 10

/** Pushes 0 to 9 went to a and b in turn, 10 to both of them, 11 to the client itself, 12 to c; 13 was never accepted. */
const ROOMS = [
  ...Array.from({ length: 10 }, (_, n) => [n % 2 === 0 ? "a" : "b"]),
  ["a", "b"],
  ["$user:me"],
  ["c"],
  ["a"],
]
const ACCEPTED: Accepted = {
  rooms: ROOMS,
  offsets: ROOMS.map((_, n) => (n === 13 ? Number.NaN : offsetOf(n))),
}
const WINDOW_MS = 1_000

class Story {
  readonly journal: Journal = emptyJournal("me")
  private at = 0

  private step(step: object): this {
    this.journal.steps.push({ ...step, at: this.at++, index: this.journal.numbers.length } as Journal["steps"][number])
    return this
  }

  connect(recovered: boolean, told = recovered): this {
    return this.step({ kind: "connect", recovered }).step({ kind: "ready", recovered: told, node: "n", position: 0 })
  }

  enter(...rooms: readonly string[]): this {
    for (const room of rooms) this.step({ kind: "join", room }).step({ kind: "joined", room, offset: 0 })
    return this
  }

  join = (room: string, offset: number): this =>
    this.step({ kind: "join", room }).step({ kind: "joined", room, offset })

  ask = (room: string): this => this.step({ kind: "join", room })
  leave = (room: string): this => this.step({ kind: "leave", room })
  left = (room: string): this => this.step({ kind: "left", room })
  position = (position: number): this => this.step({ kind: "position", position })

  drop(awayMs = 10): this {
    this.step({ kind: "drop", reason: "transport close" })
    this.at += awayMs
    return this
  }

  get(...numbers: readonly number[]): this {
    for (const n of numbers) this.deliver(n, offsetOf(n))
    return this
  }

  deliver(n: number, offset: number, position = offset): this {
    this.journal.numbers.push(n)
    this.journal.offsets.push(offset)
    this.journal.positions.push(position)
    this.journal.at.push(this.at++)
    return this
  }

  judged(): Judgement {
    const index = indexRooms(ACCEPTED)
    return judge(this.journal, { accepted: ACCEPTED, index, windowMs: WINDOW_MS, startedAt: 0 })
  }
}

const story = (): Story => new Story()
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
const CLEAN = { lost: 0, duplicated: 0, reordered: 0, stray: 0, unjustified: 0 }

describe("the checker of a client's stream", () => {
  it("finds nothing wrong with a whole one, over a recovery", () => {
    const { counts, recovered } = story()
      .connect(false)
      .enter("a", "b")
      .get(0, 1, 2)
      .drop()
      .connect(true)
      .get(3, 4, 5, 6, 7, 8, 9, 10)
      .judged()
    expect([counts, recovered]).toEqual([CLEAN, 1])
  })

  it("finds every message that never came, at the end too", () => {
    const { counts, examples } = story().connect(false).enter("a", "b").get(0, 1, 3, 4, 5, 6, 7, 8, 9).judged()
    expect(counts).toEqual({ ...CLEAN, lost: 2 })
    expect(examples.map(({ what }) => what.split(" at ")[0])).toEqual(["push 2", "push 10"])
  })

  it("counts a message to two of its rooms once", () => {
    expect(
      story()
        .connect(false)
        .enter("a", "b")
        .get(...ALL.slice(0, 10))
        .judged().counts.lost,
    ).toBe(1)
  })

  it("owes nothing from before the join's offset, and all from there on", () => {
    const joined = () => story().connect(false).join("a", offsetOf(4))
    expect(joined().get(6, 8, 10).judged().counts).toEqual(CLEAN)
    expect(joined().get(8, 10).judged().counts).toEqual({ ...CLEAN, lost: 1 })
  })

  it("takes the first message of a room for the beginning, where the join's ack was lost", () => {
    const begun = () => story().connect(false).ask("a").get(2).drop().connect(true)
    expect(begun().join("a", offsetOf(7)).get(4, 6, 8, 10).judged().counts).toEqual(CLEAN)
    expect(begun().join("a", offsetOf(7)).get(6, 8, 10).judged().counts).toEqual({ ...CLEAN, lost: 1 })
  })

  it("finds a message that came twice, in one connection and over a recovery", () => {
    const begun = () => story().connect(false).enter("a", "b").get(0, 1, 2)
    expect(begun().get(2, 3, 4, 5, 6, 7, 8, 9, 10).judged().counts).toEqual({ ...CLEAN, duplicated: 1 })
    const again = begun().drop().connect(true).get(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    expect(again.judged().counts).toEqual({ ...CLEAN, duplicated: 2 })
  })

  it("finds a push that was published again at another offset", () => {
    const { counts } = story().connect(false).enter("a").get(0, 2, 4, 6, 8).deliver(10, 5_000).judged()
    expect(counts).toEqual({ ...CLEAN, duplicated: 1 })
  })

  it("finds messages of one room out of order", () => {
    const { counts } = story().connect(false).enter("a").get(0, 4, 2, 6, 8, 10).judged()
    expect(counts).toEqual({ ...CLEAN, reordered: 1 })
  })

  it("finds a position that was sent before an older message, of another room too", () => {
    const { counts } = story().connect(false).enter("a", "b").get(0, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10).judged()
    expect(counts).toEqual({ ...CLEAN, reordered: 1 })
    const beat = story().connect(false).enter("a").get(0, 2).position(offsetOf(5)).get(4, 6, 8, 10).judged()
    expect(beat.counts).toEqual({ ...CLEAN, reordered: 1 })
  })

  it("finds a logged message without a position", () => {
    const { counts } = story()
      .connect(false)
      .enter("a")
      .get(0, 2, 4, 6, 8)
      .deliver(10, offsetOf(10), Number.NaN)
      .judged()
    expect(counts).toEqual({ ...CLEAN, reordered: 1 })
  })

  it("finds a `recovered: false` that nothing explains, and owes nothing of what was missed", () => {
    const { counts } = story()
      .connect(false)
      .enter("a")
      .get(0, 2)
      .drop()
      .connect(false)
      .join("a", offsetOf(6))
      .get(8, 10)
      .judged()
    expect(counts).toEqual({ ...CLEAN, unjustified: 1 })
  })

  it("explains one after the window, and one after a connection that was never ready", () => {
    const late = story()
      .connect(false)
      .enter("a")
      .get(0)
      .drop(WINDOW_MS + 1)
      .connect(false)
      .join("a", offsetOf(9))
      .get(10)
    expect([late.judged().counts, late.judged().justified]).toEqual([CLEAN, { "window over": 1 }])
    const tries = story()
      .connect(false)
      .enter("a")
      .get(0)
      .drop(WINDOW_MS)
      .drop(10)
      .connect(false)
      .join("a", offsetOf(9))
    expect(tries.get(10).judged().justified).toEqual({ "window over": 1 })
    const early = story()
    early.journal.steps.push({ kind: "connect", recovered: false, at: 0, index: 0 })
    early.drop().connect(false)
    expect([early.judged().counts, early.judged().justified]).toEqual([CLEAN, { "the one before was never ready": 1 }])
  })

  it("finds the hole in a stream that ended with `recovered: false`", () => {
    const { counts } = story()
      .connect(false)
      .enter("a", "b")
      .get(0, 1, 4)
      .drop(WINDOW_MS + 1)
      .connect(false)
      .judged()
    expect(counts).toEqual({ ...CLEAN, lost: 2 })
  })

  it("owes all after `recovered: false`, from the new join on", () => {
    const { counts } = story()
      .connect(false)
      .enter("a")
      .get(0)
      .drop(WINDOW_MS + 1)
      .connect(false)
      .join("a", offsetOf(3))
      .get(6, 8, 10)
      .judged()
    expect(counts).toEqual({ ...CLEAN, lost: 1 })
  })

  it("finds a connection that was told both", () => {
    expect(story().connect(true, false).judged().counts.unjustified).toBe(1)
    expect(story().connect(false, true).judged().counts.unjustified).toBe(1)
  })

  it("owes what was under way until the client asked to leave, and finds what came after it had left", () => {
    const stay = () => story().connect(false).enter("a", "b").get(0, 1, 2, 3).leave("a")
    expect(stay().get(4, 5).left("a").get(7, 9, 10).judged().counts).toEqual(CLEAN)
    expect(stay().left("a").get(5, 7, 9, 10).judged().counts).toEqual(CLEAN)
    expect(stay().left("a").get(5, 6, 7, 9, 10).judged().counts).toEqual({ ...CLEAN, stray: 1 })
    expect(stay().left("a").get(5, 9, 10).judged().counts).toEqual({ ...CLEAN, lost: 1 })
    const hole = story().connect(false).enter("a", "b").get(0, 1, 4, 5).leave("a").left("a").get(7, 9, 10)
    expect(hole.judged().counts).toEqual({ ...CLEAN, lost: 2 })
  })

  it("owes what came after a second join of the same room", () => {
    const again = () => story().connect(false).enter("a").get(0, 2).leave("a").left("a").join("a", offsetOf(6))
    expect(again().get(8, 10).judged().counts).toEqual(CLEAN)
    expect(again().get(10).judged().counts).toEqual({ ...CLEAN, lost: 1 })
  })

  it("finds a message of a room that the client never asked for, and one of nobody's", () => {
    expect(story().connect(false).enter("a").get(0, 2, 4, 6, 8, 10, 12).judged().counts).toEqual({ ...CLEAN, stray: 1 })
    expect(story().connect(false).deliver(77, 9_000).judged().counts.stray).toBe(1)
  })

  it("owes a user's own messages once it is ready", () => {
    const ready = { kind: "ready", recovered: false, node: "n", position: 0 } as const
    const own = (at: number) => {
      const one = story()
      one.journal.steps.push({ kind: "connect", recovered: false, at, index: 0 }, { ...ready, at, index: 0 })
      return one
    }
    // Push 11 was published 1.11 ms after the run began.
    expect(own(-1).judged().counts).toEqual({ ...CLEAN, lost: 1 })
    expect(own(-1).get(11).judged().counts).toEqual(CLEAN)
    expect(own(1).judged().counts).toEqual(CLEAN)
  })
})
