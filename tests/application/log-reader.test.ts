import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { type MergedPage, readMerged } from "#application/log-reader.ts"
import { type LogPage, MessageLog } from "#application/ports/message-log.ts"
import type { RoomName } from "#domain/room.ts"
import { messageTo } from "#tests/contracts/engine-contract.ts"
import { memoryNode } from "./node-fixture.ts"

const A = "a" as RoomName
const B = "b" as RoomName

const entryAt = (room: RoomName, offset: number, previous: number) => ({ offset, previous, message: messageTo([room]) })
const page = (rooms: LogPage["rooms"], epoch = "e"): LogPage => ({ epoch, clock: 100, rooms })

/** Reads both rooms from 10 on, up to 50, of a log that answers these pages. */
const reading = (answers: readonly LogPage[]) =>
  Effect.gen(function* () {
    const worked: MergedPage[] = []
    let asked = 0
    const log = yield* MessageLog
    yield* readMerged(
      0,
      [
        { room: A, after: 10 },
        { room: B, after: 10 },
      ],
      50,
      (merged) => Effect.sync(() => void worked.push(merged)),
    ).pipe(
      Effect.provideService(MessageLog, {
        ...log,
        read: (_partition, cursors) =>
          Effect.sync(() => {
            const answer = answers[asked++] ?? page([])
            return {
              ...answer,
              rooms: answer.rooms.filter(({ room }) => cursors.some((cursor) => cursor.room === room)),
            }
          }),
      }),
    )
    return {
      offsets: worked.flatMap(({ publications }) => publications.map(({ offset }) => offset)),
      holes: worked.flatMap(({ holes }) => holes),
    }
  }).pipe(Effect.provide(memoryNode()))

describe("logs that are read together", () => {
  it.effect("come in the order of their offsets, up to the clock, whatever page they are on", () =>
    Effect.gen(function* () {
      const first = page([
        { room: A, newest: 60, more: true, entries: [entryAt(A, 20, 5), entryAt(A, 30, 20)] },
        { room: B, newest: 25, more: false, entries: [entryAt(B, 25, 9)] },
      ])
      const second = page([{ room: A, newest: 60, more: false, entries: [entryAt(A, 40, 30), entryAt(A, 60, 40)] }])
      assert.deepStrictEqual(yield* reading([first, second]), { offsets: [20, 25, 30, 40], holes: [] })
    }),
  )

  it.effect("come in that order over any number of pages, of rooms that hold little and rooms that hold much", () =>
    Effect.gen(function* () {
      const log = yield* MessageLog
      const offsets = { a: [11, 12, 13, 14, 20, 22, 24, 26, 28, 50], b: [15, 21, 23], c: [] as number[] }
      const worked: number[] = []
      const pages: number[] = []
      yield* readMerged(
        0,
        Object.keys(offsets).map((room) => ({ room: room as RoomName, after: 10 })),
        50,
        ({ publications }) => Effect.sync(() => void worked.push(...publications.map(({ offset }) => offset))),
      ).pipe(
        Effect.provideService(MessageLog, {
          ...log,
          read: (_partition, cursors) =>
            Effect.sync(() => {
              pages.push(cursors.length)
              return page(
                cursors.map(({ after, room }) => {
                  const all = offsets[room as keyof typeof offsets]
                  const left = all.filter((offset) => offset > after)
                  const entries = left.slice(0, 2).map((offset) => entryAt(room, offset, 10))
                  return { room, newest: all.at(-1) ?? 10, more: left.length > 2, entries }
                }),
              )
            }),
        }),
      )
      assert.deepStrictEqual(worked, Object.values(offsets).flat().toSorted())
      assert.isAbove(pages.length, 4)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("are asked for within bounds, however many rooms there are, and each room for something", () =>
    Effect.gen(function* () {
      const log = yield* MessageLog
      const asked: { rooms: number; entries: number; bytes: number }[] = []
      const cursors = Array.from({ length: 150 }, (_, i) => ({ room: `r${i}` as RoomName, after: 10 }))
      for (const rooms of [cursors, cursors.slice(0, 1)])
        yield* readMerged(0, rooms, 50, () => Effect.void).pipe(
          Effect.provideService(MessageLog, {
            ...log,
            read: (_partition, wanted, bounds) =>
              Effect.sync(() => {
                asked.push({ rooms: wanted.length, ...bounds })
                return page(wanted.map(({ room }) => ({ room, newest: 10, more: false, entries: [] })))
              }),
          }),
        )
      assert.deepStrictEqual(
        asked.map(({ rooms }) => rooms),
        [64, 64, 22, 1],
      )
      for (const { bytes, entries, rooms } of asked) {
        assert.isAtLeast(Math.min(bytes, entries), 1)
        assert.isAtMost(entries * rooms, 500)
        assert.isAtMost(bytes * rooms, 512_000)
        assert.isAbove(entries * rooms, 400)
        assert.isAbove(bytes * rooms, 500_000)
      }
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("have a hole where a room is not answered at all, and end with the entry at the clock", () =>
    Effect.gen(function* () {
      const answer = page([{ room: A, newest: 51, more: false, entries: [entryAt(A, 50, 10), entryAt(A, 51, 50)] }])
      assert.deepStrictEqual(yield* reading([answer]), { offsets: [50], holes: [B] })
    }),
  )

  it.effect("have a hole where an entry follows something newer than what came before it", () =>
    Effect.gen(function* () {
      const answer = page([
        { room: A, newest: 30, more: false, entries: [entryAt(A, 20, 10), entryAt(A, 30, 25)] },
        { room: B, newest: 10, more: false, entries: [] },
      ])
      assert.deepStrictEqual(yield* reading([answer]), { offsets: [20], holes: [A] })
    }),
  )

  it.effect("have a hole at their end where the room's newest message is not among them", () =>
    Effect.gen(function* () {
      const answer = page([
        { room: A, newest: 30, more: false, entries: [entryAt(A, 20, 10)] },
        { room: B, newest: 11, more: false, entries: [] },
      ])
      assert.deepStrictEqual(yield* reading([answer]), { offsets: [20], holes: [A, B] })
    }),
  )

  it.effect("cannot be read on in another epoch", () =>
    Effect.gen(function* () {
      const answers = ["e", "f"].map((epoch) =>
        page(
          [
            { room: A, newest: 20, more: true, entries: [entryAt(A, 20, 10)] },
            { room: B, newest: 10, more: false, entries: [] },
          ],
          epoch,
        ),
      )
      assert.strictEqual((yield* Effect.flip(reading(answers)))._tag, "engine_unavailable")
    }),
  )
})
