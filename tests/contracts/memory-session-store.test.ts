import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { memoryEngine } from "#adapters/memory/memory-engine.ts"
import { memorySessionStore } from "#adapters/memory/memory-session-store.ts"
import { MEMORY_BOUNDS, type MemoryBounds, memoryStore } from "#adapters/memory/memory-store.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { RoomName } from "#domain/room.ts"
import { recordingMetrics, silentMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { sessionOf, sessionStoreContract } from "./session-store-contract.ts"

const WINDOW_MS = 120_000
const settings = Layer.succeed(Settings, testSettings({ recovery: { windowMs: WINDOW_MS, maxMessages: 1_000 } }))
const memory = (bounds: Partial<MemoryBounds> = {}, metrics = silentMetrics) =>
  Layer.mergeAll(memoryEngine, memorySessionStore).pipe(
    Layer.provide(memoryStore({ ...MEMORY_BOUNDS, ...bounds })),
    Layer.provide([metrics, settings]),
    Layer.provideMerge(TestClock.layer()),
  )

sessionStoreContract("memory", memory(), WINDOW_MS, TestClock.adjust)

describe("memory sessions, past the number that may wait for their clients", () => {
  it.live("forget the one dropped longest ago, say so, and none that has a connection", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      const sessions = ["lives", "s0", "s1", "s2", "s3", "s4"].map((id) => sessionOf(id))
      for (const session of sessions) yield* store.open(session)
      const left = Effect.gen(function* () {
        const found: string[] = []
        for (const { id } of sessions) if ((yield* store.read(id)) !== undefined) found.push(id.replaceAll("-", ""))
        return found
      })
      const drop = (name: string, owner = 1) => store.drop(sessionOf(name).id, owner, `c${owner}`)
      for (const name of ["s0", "s1", "s2"]) yield* drop(name)
      expect([yield* left, metrics.hits]).toEqual([["lives", "s0", "s1", "s2", "s3", "s4"], []])
      yield* store.take(sessionOf("s0"), { node: "n", connectionId: "c2" })
      yield* drop("s3")
      expect(metrics.hits).toEqual([])
      yield* drop("s0", 2)
      expect([yield* left, metrics.hits]).toEqual([["lives", "s0", "s2", "s3", "s4"], ["dropped_sessions"]])
      expect(yield* drop("s1")).toBe(false)
      expect(metrics.gauge("sessions")).toBe(5)
    }).pipe(Effect.provide(memory({ maxDroppedSessions: 3 }, metrics.layer)))
  })

  it.live("forget by the last drop, where one was dropped twice", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore
      const names = ["s0", "s1", "s2"]
      for (const name of names) yield* store.open(sessionOf(name))
      for (const name of ["s0", "s1", "s0", "s2"]) yield* store.drop(sessionOf(name).id, 1, "c1")
      const left: boolean[] = []
      for (const name of names) left.push((yield* store.read(sessionOf(name).id)) !== undefined)
      expect(left).toEqual([true, false, true])
    }).pipe(Effect.provide(memory({ maxDroppedSessions: 2 }))),
  )

  it.live("are forgotten by themselves when nobody asks for them any more", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      for (const name of ["lives", "goes"]) yield* store.open(sessionOf(name))
      yield* store.drop(sessionOf("goes").id, 1, "c1")
      expect(metrics.gauge("sessions")).toBe(2)
      yield* TestClock.adjust(WINDOW_MS + 10_001)
      expect(metrics.gauge("sessions")).toBe(1)
    }).pipe(Effect.provide(memory({}, metrics.layer)))
  })
})

describe("users taken out of rooms, in memory", () => {
  const room = (name: string) => name as RoomName
  const rooms = ["r0", "r1", "r2"].map(room)

  it.live("are forgotten a minute after the window", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore
      yield* store.expel("ann", room("r0"), 5)
      yield* TestClock.adjust(WINDOW_MS + 59_999)
      expect(yield* store.expelledAt("ann", rooms)).toEqual(new Map([["r0", 5]]))
      yield* TestClock.adjust(1)
      expect(yield* store.expelledAt("ann", rooms)).toEqual(new Map())
    }).pipe(Effect.provide(memory())),
  )

  it.live("are so many at most: the oldest is forgotten, and it is said", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      for (const name of ["r0", "r1", "r0"]) yield* store.expel("ann", room(name), 5)
      expect(metrics.hits).toEqual([])
      yield* store.expel("ann", room("r2"), 6)
      expect([...(yield* store.expelledAt("ann", rooms)).keys()]).toEqual(["r0", "r2"])
      expect(metrics.hits).toEqual(["expulsions"])
    }).pipe(Effect.provide(memory({ maxExpulsions: 2 }, metrics.layer)))
  })
})
