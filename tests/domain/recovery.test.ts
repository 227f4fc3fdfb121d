import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { nextOffset, type Offset } from "#domain/offset.ts"
import { isBelievable, isWholeFrom, isWithinWindow, newestWithoutRecord } from "#domain/recovery.ts"

const START = 1_700_000_000_000
const HISTORY_TTL = 60_000
const RECORD_TTL = 2 * HISTORY_TTL

/** One room's log beside the memory of somebody who saw everything. */
class ModelRoom {
  now = START
  readonly published: { readonly offset: Offset; readonly logged: boolean }[] = []
  /** Every point of the clock that a client can have been given. */
  readonly cursors: Offset[] = []
  private log: { readonly offset: Offset; readonly previous: Offset }[] = []
  private record: Offset | undefined
  private last: Offset = 0

  tick(): Offset {
    this.last = nextOffset(this.last, this.now)
    this.cursors.push(this.last)
    return this.last
  }

  newest(): Offset {
    return this.record ?? newestWithoutRecord(this.last, RECORD_TTL)
  }

  publish(logged: boolean): void {
    const offset = this.tick()
    if (logged) this.log.push({ offset, previous: this.newest() })
    this.record = offset
    this.published.push({ offset, logged })
  }

  trimTo(size: number): void {
    this.log = this.log.slice(Math.max(0, this.log.length - size))
  }

  clear(): void {
    this.log = []
  }

  /** Time passes: entries grow too old, and the record expires by its own offset. */
  pass(ms: number): void {
    this.now += ms
    const clock = this.tick()
    this.log = this.log.filter(({ offset }) => offset >= clock - HISTORY_TTL * 1000)
    if (this.record !== undefined && this.record < newestWithoutRecord(clock, RECORD_TTL)) this.record = undefined
  }

  says(cursor: Offset): boolean {
    this.tick()
    const first = this.log.find(({ offset }) => offset > cursor)
    return isWholeFrom(cursor, { firstPrevious: first?.previous, newest: this.newest() })
  }

  /** What was published after it and cannot be given. */
  lostAfter(cursor: Offset): { readonly offset: Offset; readonly logged: boolean }[] {
    return this.published.filter(({ offset }) => offset > cursor && !this.log.some((entry) => entry.offset === offset))
  }

  firstAfter(cursor: Offset): Offset {
    return this.log.find(({ offset }) => offset > cursor)?.offset ?? Number.POSITIVE_INFINITY
  }

  isYoung(cursor: Offset): boolean {
    return cursor >= newestWithoutRecord(this.last, RECORD_TTL)
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ does: "log" as const }) },
  { weight: 1, arbitrary: fc.constant({ does: "publish unlogged" as const }) },
  { weight: 2, arbitrary: fc.constant({ does: "look at the clock" as const }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("trim" as const), size: fc.nat({ max: 4 }) }) },
  { weight: 1, arbitrary: fc.constant({ does: "clear" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant("wait" as const),
      ms: fc.oneof(
        fc.constantFrom(1, HISTORY_TTL, HISTORY_TTL + 1, RECORD_TTL, RECORD_TTL + 1, 3 * RECORD_TTL),
        fc.nat({ max: 100_000 }),
      ),
    }),
  },
)

type Step = typeof step extends fc.Arbitrary<infer What> ? What : never

const run = (room: ModelRoom, what: Step): void => {
  if (what.does === "log" || what.does === "publish unlogged") room.publish(what.does === "log")
  else if (what.does === "look at the clock") room.tick()
  else if (what.does === "trim") room.trimTo(what.size)
  else if (what.does === "clear") room.clear()
  else room.pass(what.ms)
}

describe("a log", () => {
  const check = (steps: readonly Step[], look: (room: ModelRoom, cursor: Offset) => void): void => {
    const room = new ModelRoom()
    room.tick()
    for (const what of steps) {
      run(room, what)
      for (const cursor of room.cursors.slice(-40)) look(room, cursor)
    }
  }

  it("is called whole from a cursor exactly when nothing after it is lost, and an old cursor never wrongly", () => {
    const seen = { whole: 0, lost: 0, old: 0 }
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        check(
          steps.filter(({ does }) => does !== "publish unlogged"),
          (room, cursor) => {
            const says = room.says(cursor)
            const whole = room.lostAfter(cursor).length === 0
            if (room.isYoung(cursor)) expect(says).toBe(whole)
            else if (says) expect(whole).toBe(true)
            seen[room.isYoung(cursor) ? (whole ? "whole" : "lost") : "old"]++
          },
        )
      }),
      { numRuns: 500 },
    )
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(300)
  })

  it("of a room that has no history at times is never called whole where a logged message, or what came before the first one left, is lost", () => {
    let whole = 0
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        check(steps, (room, cursor) => {
          const lost = room.lostAfter(cursor)
          if (room.says(cursor)) {
            const first = room.firstAfter(cursor)
            expect(lost.filter(({ logged, offset }) => logged || offset < first)).toEqual([])
            whole++
          } else if (room.isYoung(cursor)) expect(lost).not.toEqual([])
        })
      }),
      { numRuns: 500 },
    )
    expect(whole).toBeGreaterThan(300)
  })

  it("is whole from any point within the message before the first one that is left", () => {
    expect(isWholeFrom(10, { firstPrevious: 10, newest: 30 })).toBe(true)
    expect(isWholeFrom(15, { firstPrevious: 10, newest: 30 })).toBe(true)
    expect(isWholeFrom(9, { firstPrevious: 10, newest: 30 })).toBe(false)
  })

  it("that is empty is whole only for who has the newest message", () => {
    expect(isWholeFrom(30, { firstPrevious: undefined, newest: 30 })).toBe(true)
    expect(isWholeFrom(29, { firstPrevious: undefined, newest: 30 })).toBe(false)
  })

  it("may begin at the offset 0", () => {
    expect(isWholeFrom(0, { firstPrevious: 0, newest: 30 })).toBe(true)
    expect(isWholeFrom(0, { firstPrevious: undefined, newest: 0 })).toBe(true)
  })
})

describe("a position that a client brings", () => {
  const now = START
  const at = (ms: number): Offset => ms * 1000

  it("is believed where it has the store's partitions and nothing of the future of any beyond a minute of skew", () => {
    const believed = (offsets: readonly Offset[], workedOff: readonly Offset[]) =>
      isBelievable({ epoch: "e", offsets }, workedOff, now)
    expect(believed([at(now)], [0])).toBe(true)
    expect(believed([0, at(now + 60_000)], [0, 0])).toBe(true)
    expect(believed([0, at(now + 60_001)], [0, 0])).toBe(false)
    expect(believed([at(now)], [0, 0])).toBe(false)
    expect(believed([0, 0, 0], [0, 0])).toBe(false)
    expect(believed([Number.MAX_SAFE_INTEGER], [0])).toBe(false)
    expect(believed([0, at(now + 3_600_000)], [0, at(now + 3_540_000)])).toBe(true)
    expect(believed([at(now + 3_600_000), 0], [0, at(now + 3_540_000)])).toBe(false)
  })
})

describe("the recovery window", () => {
  it("is open while a session has a connection, and for its length after the drop", () => {
    expect(isWithinWindow(undefined, START, 0)).toBe(true)
    expect(isWithinWindow(START, START + 120_000, 120_000)).toBe(true)
    expect(isWithinWindow(START, START + 120_001, 120_000)).toBe(false)
    expect(isWithinWindow(START, START - 5_000, 120_000)).toBe(true)
  })
})
