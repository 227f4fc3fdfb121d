import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import fc from "fast-check"
import { memoryEngine } from "#adapters/memory/memory-engine.ts"
import { memoryMessageLog } from "#adapters/memory/memory-message-log.ts"
import { MEMORY_BOUNDS, type MemoryBounds, memoryStore } from "#adapters/memory/memory-store.ts"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { Settings } from "#application/ports/settings.ts"
import { messageBytes } from "#domain/message.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { recordingMetrics, silentMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { HISTORY, messageTo, publishTo, room } from "./engine-contract.ts"
import { messageLogContract } from "./message-log-contract.ts"

const settings = Layer.succeed(Settings, testSettings())
const memory = (bounds: Partial<MemoryBounds> = {}, metrics = silentMetrics) =>
  Layer.mergeAll(memoryEngine, memoryMessageLog).pipe(
    Layer.provide(memoryStore({ ...MEMORY_BOUNDS, ...bounds })),
    Layer.provide([metrics, settings]),
    Layer.provideMerge(TestClock.layer()),
  )

messageLogContract("memory", memory(), TestClock.adjust)

const DATA = JSON.stringify("x".repeat(1_000))
const BYTES = messageBytes(messageTo([], { data: DATA }))
const ALL = { entries: 10_000, bytes: 100_000_000 }

const use = Effect.gen(function* () {
  const engine = yield* Engine
  const log = yield* MessageLog
  engine.start({ deliver: () => {}, hole: () => {}, newEpoch: () => {}, taken: () => {}, missed: async () => true })
  return {
    engine,
    log,
    say: (to: string, history = HISTORY) =>
      Effect.map(engine.publish(publishTo([room(to)], { data: DATA, history })), ({ offset }) => offset),
    sizeOf: (to: string) => Effect.map(log.describe(room(to)), ({ size }) => size),
    isWhole: (to: string, after: Offset) =>
      Effect.map(log.survey(0, [{ room: room(to), after }], 1_000), ({ whole }) => whole),
  }
})

describe("memory logs, past their bytes", () => {
  it.live("forget the rooms that were quiet longest, say so, and call none of them whole", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const { engine, isWhole, say, sizeOf } = yield* use
      const start = yield* engine.clock(0)
      for (const name of ["quiet", "busy", "busy", "later"]) yield* say(name)
      expect(metrics.hits).toEqual([])
      expect(metrics.gauge("log_bytes")).toBe(4 * BYTES)
      expect(metrics.gauge("log_messages")).toBe(4)
      const newest = yield* say("new")
      expect(metrics.hits).toEqual(["memory_log_bytes"])
      expect(metrics.gauge("log_bytes")).toBeLessThanOrEqual(4 * BYTES)
      expect([yield* sizeOf("quiet"), yield* sizeOf("new")]).toEqual([0, 1])
      expect([yield* isWhole("quiet", start), yield* isWhole("quiet", newest)]).toEqual([false, true])
      expect([yield* isWhole("busy", start), yield* isWhole("new", start)]).toEqual([true, true])
    }).pipe(Effect.provide(memory({ maxLogBytes: 4 * BYTES }, metrics.layer)))
  })

  it.live("give a room that was written to since the last look a second chance", () =>
    Effect.gen(function* () {
      const { say, sizeOf } = yield* use
      for (const name of ["a", "b", "c", "d"]) yield* say(name)
      yield* say("e")
      expect(yield* sizeOf("a")).toBe(0)
      yield* say("b")
      expect([yield* sizeOf("b"), yield* sizeOf("c")]).toEqual([2, 0])
      yield* say("f")
      expect([yield* sizeOf("b"), yield* sizeOf("d")]).toEqual([2, 0])
    }).pipe(Effect.provide(memory({ maxLogBytes: 4 * BYTES }))),
  )

  it.live("hold the bound though it is one room that fills them: its oldest messages go", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const { isWhole, say, sizeOf } = yield* use
      const offsets: Offset[] = []
      for (let i = 0; i < 10; i++) {
        offsets.push(yield* say("only"))
        expect(metrics.gauge("log_bytes")).toBeLessThanOrEqual(4 * BYTES)
        expect(yield* sizeOf("only")).toBe(Math.min(i + 1, 4))
      }
      expect([yield* isWhole("only", offsets[4] ?? 0), yield* isWhole("only", offsets[5] ?? 0)]).toEqual([false, true])
    }).pipe(Effect.provide(memory({ maxLogBytes: 4 * BYTES }, metrics.layer)))
  })

  it.live("keep the newest message however large it is", () =>
    Effect.gen(function* () {
      const { say, sizeOf } = yield* use
      for (const name of ["a", "a", "b"]) yield* say(name)
      expect([yield* sizeOf("a"), yield* sizeOf("b")]).toEqual([0, 1])
    }).pipe(Effect.provide(memory({ maxLogBytes: 10 }))),
  )
})

describe("memory logs, past their time", () => {
  it.live("keep a message for all of it, and not a millisecond longer", () =>
    Effect.gen(function* () {
      const { say, sizeOf } = yield* use
      yield* say("a")
      yield* TestClock.adjust(HISTORY.ttlMs)
      expect(yield* sizeOf("a")).toBe(1)
      yield* TestClock.adjust(1)
      expect(yield* sizeOf("a")).toBe(0)
    }).pipe(Effect.provide(memory())),
  )
})

describe("memory records of newest offsets, past their number", () => {
  it.live("forget the room written to longest ago, say so, and call nothing whole that may have lost something", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const { engine, isWhole, log, say } = yield* use
      const start = yield* engine.clock(0)
      for (const name of ["a", "b", "c"]) yield* say(name)
      expect(metrics.hits).toEqual([])
      const last = yield* say("d")
      expect(metrics.hits).toEqual(["memory_records"])
      expect(yield* log.describe(room("a"))).toEqual({ newest: undefined, size: 0 })
      expect([yield* isWhole("a", start), yield* isWhole("never written", start)]).toEqual([false, false])
      expect([yield* isWhole("a", last), yield* isWhole("never written", last)]).toEqual([true, true])
      expect([yield* isWhole("b", start), yield* isWhole("d", start)]).toEqual([true, true])
    }).pipe(Effect.provide(memory({ maxRecords: 3 }, metrics.layer)))
  })

  it.live("did forget the room that came first, busy or not: the lobby of a busy house keeps its history now", () =>
    Effect.gen(function* () {
      const { engine, isWhole, say, sizeOf } = yield* use
      yield* say("lobby")
      for (let i = 0; i < 20; i++) {
        const before = yield* engine.clock(0)
        yield* say(`passing-${i}`)
        yield* say("lobby")
        expect(yield* sizeOf("lobby")).toBe(i + 2)
        expect(yield* isWhole("never written", before)).toBe(true)
      }
    }).pipe(Effect.provide(memory({ maxRecords: 3 }))),
  )

  it.live("were swept by a clock ahead of the store's: a time that goes back afterwards makes nothing whole", () =>
    Effect.gen(function* () {
      const { engine, isWhole, log, say } = yield* use
      const start = yield* engine.clock(0)
      yield* say("a")
      yield* TestClock.adjust(engine.recordTtlMs + 60_000)
      expect((yield* log.describe(room("a"))).newest).toBeUndefined()
      yield* TestClock.setTime(1_000)
      expect(yield* isWhole("a", start)).toBe(false)
    }).pipe(Effect.provide(memory())),
  )
})

describe("memory logs, whatever is forgotten", () => {
  const rooms = ["a", "b", "c", "d", "e"]
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        does: fc.constant("say" as const),
        to: fc.oneof(
          { weight: 2, arbitrary: fc.constantFrom(["a"], ["b"]) },
          { weight: 1, arbitrary: fc.subarray(rooms, { minLength: 1 }) },
        ),
        size: fc.constantFrom(1, 3, 100),
      }),
    },
    { weight: 1, arbitrary: fc.record({ does: fc.constant("clear" as const), room: fc.constantFrom(...rooms) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        does: fc.constant("wait" as const),
        ms: fc.constantFrom(1_000, HISTORY.ttlMs, HISTORY.ttlMs + 1, 3_600_000, 7_200_001),
      }),
    },
  )

  it("stay within their bounds and are never called whole where something is lost", { timeout: 60_000 }, async () => {
    const seen = { whole: 0, not: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 6 }),
        async (steps, messages, maxRecords) => {
          const metrics = recordingMetrics()
          const maxLogBytes = messages * BYTES
          const checked = Effect.gen(function* () {
            const { engine, log } = yield* use
            const said: { readonly offset: Offset; readonly to: readonly RoomName[] }[] = []
            const cursors: Offset[] = [yield* engine.clock(0)]
            for (const what of steps) {
              if (what.does === "clear") yield* log.clear(room(what.room))
              else if (what.does === "wait") yield* TestClock.adjust(what.ms)
              else {
                const to = [...what.to].map((name: string) => room(name))
                const history = { size: what.size, ttlMs: HISTORY.ttlMs }
                const { offset } = yield* engine.publish(publishTo(to, { data: DATA, history }))
                said.push({ offset, to })
              }
              cursors.push(yield* engine.clock(0))
              expect(metrics.gauge("log_bytes")).toBeLessThanOrEqual(maxLogBytes)
              for (const name of rooms.map(room))
                for (const after of cursors.slice(-8)) {
                  const { whole } = yield* log.survey(0, [{ room: name, after }], 1_000)
                  seen[whole ? "whole" : "not"]++
                  if (!whole) continue
                  const { rooms: pages } = yield* log.read(0, [{ room: name, after }], ALL)
                  expect(pages[0]?.entries.map(({ offset }) => offset)).toEqual(
                    said.filter(({ offset, to }) => offset > after && to.includes(name)).map(({ offset }) => offset),
                  )
                }
            }
          })
          await Effect.runPromise(Effect.provide(checked, memory({ maxLogBytes, maxRecords }, metrics.layer)))
        },
      ),
      { numRuns: 150 },
    )
    expect(seen.whole).toBeGreaterThan(500)
    expect(seen.not).toBeGreaterThan(500)
  })

  it.live("give a long history's every page, long after its beginning was forgotten", () =>
    Effect.gen(function* () {
      const { engine, log } = yield* use
      const history = { size: 700, ttlMs: 60_000 }
      const offsets: Offset[] = []
      for (let i = 0; i < 5_000; i++) {
        offsets.push((yield* engine.publish(publishTo([room("a")], { history }))).offset)
        if (i % 499 !== 0) continue
        const { rooms: pages } = yield* log.read(0, [{ room: room("a"), after: 0 }], ALL)
        expect(pages[0]?.entries.map(({ offset }) => offset)).toEqual(offsets.slice(-700))
        const after = offsets.at(-350) ?? 0
        const later = yield* log.read(0, [{ room: room("a"), after }], ALL)
        expect(later.rooms[0]?.entries.map(({ offset }) => offset)).toEqual(offsets.filter((offset) => offset > after))
      }
    }).pipe(Effect.provide(memory())),
  )
})
