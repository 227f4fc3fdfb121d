import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { messageBytes } from "#domain/message.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import type { History } from "#domain/room-rules.ts"
import { HISTORY, messageTo, publishTo, room } from "./engine-contract.ts"

const A = room("a")
const B = room("b")
const ALL = { entries: 1_000, bytes: 1_000_000 }
const NOW = Number.MAX_SAFE_INTEGER

/**
 * What every MessageLog does, filled by its engine. The layer begins with an empty store each time that it is built;
 * `advance` lets its time pass.
 */
export const messageLogContract = (
  name: string,
  layer: Layer.Layer<Engine | MessageLog>,
  advance: (ms: number) => Effect.Effect<void>,
): void => {
  const use = Effect.gen(function* () {
    const engine = yield* Engine
    const log = yield* MessageLog
    const partition = engine.partitionOf(A)
    /** A room of the same partition as A: all cursors of a call are of one. */
    const beside = [B, ...Array.from({ length: 500 }, (_, i) => room(`b${i}`))].find(
      (other) => engine.partitionOf(other) === partition,
    )
    if (beside === undefined) return yield* Effect.die(new Error("no two rooms share a partition"))
    engine.start({ deliver: () => {}, hole: () => {}, newEpoch: () => {}, taken: () => {}, missed: async () => true })
    return {
      engine,
      log,
      partition,
      b: beside,
      say: (count: number, to: RoomName = A, history: History = HISTORY, data = "null") =>
        Effect.forEach(
          Array.from({ length: count }, () => publishTo([to], { history, data })),
          (publish) => Effect.map(engine.publish(publish), ({ offset }) => offset),
        ),
      read: (after: Offset, to: RoomName = A, bounds = ALL) =>
        Effect.map(log.read(partition, [{ room: to, after }], bounds), ({ rooms }) => {
          const [only] = rooms
          if (only === undefined) throw new Error("no room was read")
          return only
        }),
      isWhole: (after: Offset, to: RoomName = A) =>
        Effect.map(log.survey(partition, [{ room: to, after }], 1_000), ({ whole }) => whole),
    }
  })
  type Use = Effect.Success<typeof use>
  const test = <E>(behaviour: string, body: (use: Use) => Effect.Effect<void, E>): void =>
    it.live(behaviour, () => Effect.flatMap(use, body).pipe(Effect.provide(layer)))
  const offsetsOf = (entries: readonly { readonly offset: Offset }[]): readonly Offset[] =>
    entries.map(({ offset }) => offset)

  describe(`${name}: reading histories`, () => {
    test("gives what came after a cursor, in order, each with the room's offset before it", ({
      engine,
      log,
      partition,
      say,
    }) =>
      Effect.gen(function* () {
        const offsets = yield* say(5)
        const page = yield* log.read(partition, [{ room: A, after: offsets[1] ?? 0 }], ALL)
        expect(page.epoch).toBe(engine.epochOf(partition))
        expect(page.clock).toBeGreaterThan(offsets[4] ?? 0)
        const [read] = page.rooms
        expect(offsetsOf(read?.entries ?? [])).toEqual(offsets.slice(2))
        expect(read?.entries.map(({ previous }) => previous)).toEqual(offsets.slice(1, 4))
        expect([read?.room, read?.more, read?.newest]).toEqual([A, false, offsets[4]])
      }))

    test("answers for every room that was asked for, in that order, also where there is nothing", ({
      b,
      log,
      partition,
      say,
    }) =>
      Effect.gen(function* () {
        const [one] = yield* say(1, b)
        const [two] = yield* say(1)
        const { rooms } = yield* log.read(
          partition,
          [
            { room: A, after: 0 },
            { room: b, after: one ?? 0 },
            { room: b, after: 0 },
          ],
          ALL,
        )
        expect(rooms.map((read) => [read.room, offsetsOf(read.entries), read.newest, read.more])).toEqual([
          [A, [two], two, false],
          [b, [], one, false],
          [b, [one], one, false],
        ])
        expect((yield* log.read(partition, [], ALL)).rooms).toEqual([])
      }))

    test("gives so many entries and so many bytes of each room, and says that there are more", ({
      b,
      log,
      partition,
      read,
      say,
    }) =>
      Effect.gen(function* () {
        const offsets = yield* say(10)
        yield* say(3, b)
        const few = yield* read(0, A, { entries: 4, bytes: 1_000_000 })
        expect([offsetsOf(few.entries), few.more]).toEqual([offsets.slice(0, 4), true])
        const rest = yield* read(offsets[3] ?? 0, A, { entries: 6, bytes: 1_000_000 })
        expect([offsetsOf(rest.entries), rest.more]).toEqual([offsets.slice(4), false])
        const bytes = 3 * messageBytes(messageTo([A], { data: "null" }))
        const light = yield* read(0, A, { entries: 1_000, bytes })
        expect(light.entries.length).toBeGreaterThanOrEqual(1)
        expect(light.entries.length).toBeLessThanOrEqual(4)
        expect(light.more).toBe(true)
        const both = yield* log.read(
          partition,
          [
            { room: A, after: 0 },
            { room: b, after: 0 },
          ],
          { entries: 2, bytes: 1_000_000 },
        )
        expect(both.rooms.map(({ entries, more }) => [entries.length, more])).toEqual([
          [2, true],
          [2, true],
        ])
      }))

    test("gives one entry at least, however large: who reads on comes to the end", ({ read, say }) =>
      Effect.gen(function* () {
        const offsets = yield* say(5, A, HISTORY, JSON.stringify("x".repeat(5_000)))
        const seen: Offset[] = []
        for (let after = 0, more = true; more; ) {
          const page = yield* read(after, A, { entries: 1_000, bytes: 1 })
          expect(page.entries.length).toBeGreaterThanOrEqual(1)
          seen.push(...offsetsOf(page.entries))
          after = seen.at(-1) ?? 0
          more = page.more
        }
        expect(seen).toEqual(offsets)
      }))

    test("gives the last entries up to an offset, oldest first, and says where bytes cut them short", ({
      engine,
      log,
      say,
    }) =>
      Effect.gen(function* () {
        const offsets = yield* say(6)
        const last = (upTo: Offset, entries: number, bytes = 1_000_000) =>
          Effect.map(log.last(A, upTo, { entries, bytes }), (page) => [offsetsOf(page.entries), page.cut])
        expect(yield* last(NOW, 3)).toEqual([offsets.slice(3), false])
        expect(yield* last(NOW, 100)).toEqual([offsets, false])
        expect(yield* last(offsets[3] ?? 0, 2)).toEqual([offsets.slice(2, 4), false])
        expect(yield* last((offsets[0] ?? 0) - 1, 2)).toEqual([[], false])
        expect(yield* last(NOW, 100, 1)).toEqual([offsets.slice(5), true])
        const { clock, epoch } = yield* log.last(room("nobody"), NOW, ALL)
        expect(clock).toBeGreaterThan(offsets[5] ?? 0)
        expect(epoch).toBe(engine.epochOf(engine.partitionOf(room("nobody"))))
      }))

    test("moves the clock on with each look: what is published later is above it", ({ log, partition, say }) =>
      Effect.gen(function* () {
        const clocks = [
          (yield* log.read(partition, [{ room: A, after: 0 }], ALL)).clock,
          (yield* say(1))[0],
          (yield* log.survey(partition, [{ room: A, after: 0 }], 1)).clock,
          (yield* say(1))[0],
          (yield* log.last(A, NOW, ALL)).clock,
          (yield* say(1))[0],
        ]
        expect(clocks).toEqual([...new Set(clocks)].toSorted((x, y) => (x ?? 0) - (y ?? 0)))
      }))
  })

  describe(`${name}: keeping histories`, () => {
    test("keeps as many as the history says, the newest, and is not whole from before them", ({
      isWhole,
      log,
      partition,
      read,
      say,
    }) =>
      Effect.gen(function* () {
        const offsets = yield* say(7, A, { size: 3, ttlMs: 60_000 })
        expect(offsetsOf((yield* read(0)).entries)).toEqual(offsets.slice(4))
        expect(yield* log.describe(A)).toEqual({ newest: offsets[6], size: 3 })
        const whole: boolean[] = []
        for (const offset of offsets) whole.push(yield* isWhole(offset))
        expect(whole).toEqual([false, false, false, true, true, true, true])
        expect((yield* log.survey(partition, [{ room: A, after: 0 }], 1_000)).missed).toBe(3)
      }))

    test("answers nothing that has grown too old, and is not whole from before it", ({
      isWhole,
      log,
      partition,
      read,
      say,
    }) =>
      Effect.gen(function* () {
        const [old = 0] = yield* say(1)
        yield* advance(HISTORY.ttlMs * 0.6)
        const [young = 0] = yield* say(1)
        expect(offsetsOf((yield* read(0)).entries)).toEqual([old, young])
        expect(yield* isWhole(old - 1)).toBe(true)
        yield* advance(HISTORY.ttlMs * 0.5)
        expect(offsetsOf((yield* read(0)).entries)).toEqual([young])
        expect(offsetsOf((yield* log.last(A, NOW, ALL)).entries)).toEqual([young])
        expect((yield* log.describe(A)).size).toBe(1)
        expect((yield* log.survey(partition, [{ room: A, after: 0 }], 1_000)).missed).toBe(1)
        expect([yield* isWhole(old - 1), yield* isWhole(old)]).toEqual([false, true])
        yield* advance(HISTORY.ttlMs)
        expect((yield* read(0)).entries).toEqual([])
        expect([yield* isWhole(old), yield* isWhole(young)]).toEqual([false, true])
        expect(yield* log.describe(A)).toEqual({ newest: young, size: 0 })
      }))

    test("forgets a cleared room's messages, not that there were some", ({ b, isWhole, log, read, say }) =>
      Effect.gen(function* () {
        const [first = 0, second = 0] = yield* say(2)
        yield* say(1, b)
        yield* log.clear(A)
        yield* log.clear(A)
        yield* log.clear(room("nobody"))
        expect(yield* read(0)).toMatchObject({ entries: [], newest: second, more: false })
        expect(yield* log.describe(A)).toEqual({ newest: second, size: 0 })
        expect((yield* log.describe(b)).size).toBe(1)
        expect([yield* isWhole(first), yield* isWhole(second)]).toEqual([false, true])
        const [third = 0] = yield* say(1)
        const [entry] = (yield* read(0)).entries
        expect([entry?.offset, entry?.previous]).toEqual([third, second])
        expect([yield* isWhole(first), yield* isWhole(second), yield* isWhole(third)]).toEqual([false, true, true])
      }))
  })

  describe(`${name}: surveying what was missed`, () => {
    test("calls rooms whole where each of them is, and counts what was missed up to one more than asked", ({
      b,
      log,
      partition,
      say,
    }) =>
      Effect.gen(function* () {
        const [a1 = 0] = yield* say(4)
        const [b1 = 0, b2 = 0] = yield* say(5, b, { size: 3, ttlMs: 60_000 })
        const survey = (afterA: Offset, afterB: Offset, atMost: number) =>
          Effect.map(
            log.survey(
              partition,
              [
                { room: A, after: afterA },
                { room: b, after: afterB },
              ],
              atMost,
            ),
            ({ missed, whole }) => [whole, missed],
          )
        expect(yield* survey(a1, b2, 100)).toEqual([true, 6])
        expect(yield* survey(a1, b2, 6)).toEqual([true, 6])
        expect(yield* survey(a1, b2, 5)).toEqual([true, 6])
        expect((yield* survey(a1, b2, 2))[1]).toBe(3)
        expect(yield* survey(a1, b1, 100)).toEqual([false, 6])
        expect(yield* survey(a1 - 1, b2, 100)).toEqual([true, 7])
        expect(yield* survey(NOW, NOW, 100)).toEqual([true, 0])
      }))

    test("calls a room that nobody wrote to whole, from as long ago as offsets are remembered", ({
      engine,
      isWhole,
      partition,
    }) =>
      Effect.gen(function* () {
        const clock = yield* engine.clock(partition)
        const quiet = room("quiet")
        expect(yield* isWhole(clock, quiet)).toBe(true)
        yield* advance(engine.recordTtlMs * 0.7)
        expect(yield* isWhole(clock, quiet)).toBe(true)
        yield* advance(engine.recordTtlMs * 0.5)
        expect(yield* isWhole(clock, quiet)).toBe(false)
        expect(yield* isWhole(yield* engine.clock(partition), quiet)).toBe(true)
      }))

    test("is never whole from before a message that is gone, however long ago it went", ({
      engine,
      isWhole,
      log,
      partition,
      read,
      say,
    }) =>
      Effect.gen(function* () {
        const before = yield* engine.clock(partition)
        const [said = 0] = yield* say(1)
        yield* advance(engine.recordTtlMs * 0.7)
        expect((yield* log.describe(A)).newest).toBe(said)
        expect([yield* isWhole(before), yield* isWhole(said)]).toEqual([false, true])
        yield* advance(engine.recordTtlMs)
        expect(yield* isWhole(before)).toBe(false)
        const [again = 0] = yield* say(1)
        expect(yield* isWhole(before)).toBe(false)
        const [entry] = (yield* read(0)).entries
        expect(entry?.offset).toBe(again)
        expect(entry?.previous).toBeGreaterThanOrEqual(said)
        expect(entry?.previous).toBeLessThan(again)
      }))
  })
}
