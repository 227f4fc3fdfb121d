import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Engine } from "#application/ports/engine.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { EVERYBODY, type RoomName, userRoom } from "#domain/room.ts"
import { type Entry, MAX_PAST_IDS, type Session } from "#domain/session.ts"

import { waitFor } from "./engine-contract.ts"

const A = "a" as RoomName
const ENTRY: Entry = { at: 5, by: "claim" }

export const sessionOf = (id: string, more: Partial<Session> = {}): Session => ({
  id: id.padEnd(27, "-"),
  owner: 1,
  userId: "ann",
  node: "test-node",
  connectionIds: ["c1"],
  rooms: new Map(),
  info: undefined,
  ...more,
})

const BY = { node: "another-node", connectionId: "c2" }

/**
 * What every SessionStore does; its engine tells of takeovers. The layer begins with an empty store each time that it is
 * built and keeps dropped sessions for `windowMs`; `advance` lets its time pass.
 */
export const sessionStoreContract = (
  name: string,
  layer: Layer.Layer<Engine | SessionStore>,
  windowMs: number,
  advance: (ms: number) => Effect.Effect<void>,
): void => {
  type Body<E> = (store: SessionStore["Service"], taken: readonly string[]) => Effect.Effect<void, E>
  const test = <E>(behaviour: string, body: Body<E>): void =>
    it.live(behaviour, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const taken: string[] = []
        engine.start({
          deliver: () => {},
          hole: () => {},
          newEpoch: () => {},
          taken: (id, owner) => void taken.push(`${id} ${owner}`),
          missed: async () => true,
        })
        yield* body(yield* SessionStore, taken)
      }).pipe(Effect.provide(layer)),
    )
  const S = sessionOf("s")
  const readSession = (store: SessionStore["Service"], id = S.id) =>
    Effect.map(store.read(id), (stored) => stored?.session)

  describe(`${name}: keeping sessions`, () => {
    test("gives a session back as it was opened", (store) =>
      Effect.gen(function* () {
        const rooms = new Map<RoomName, Entry>([
          [userRoom("ann"), { at: 3, by: "rule" }],
          [EVERYBODY, { at: 4, by: "rule" }],
          [A, ENTRY],
          ["z é" as RoomName, { at: 1_700_000_000_000_000, by: "api" }],
        ])
        const session = sessionOf("whole", {
          owner: 7,
          connectionIds: ["c0", "c1"],
          rooms,
          info: { name: "é", of: [null] },
        })
        yield* store.open(session)
        yield* store.open(S)
        const stored = yield* store.read(session.id)
        expect(stored?.session).toEqual(session)
        expect([...(stored?.session.rooms.keys() ?? [])]).toEqual([...rooms.keys()])
        expect(stored?.droppedAt).toBeUndefined()
        expect(yield* store.read(sessionOf("unknown").id)).toBeUndefined()
        expect(yield* readSession(store)).toEqual(S)
      }))

    test("writes what its owner joins and leaves", (store) =>
      Effect.gen(function* () {
        yield* store.open(S)
        expect(yield* store.join(S.id, 1, A, ENTRY)).toBe(true)
        expect(yield* store.join(S.id, 1, EVERYBODY, { at: 9, by: "rule" })).toBe(true)
        expect((yield* readSession(store))?.rooms).toEqual(
          new Map([
            [A, ENTRY],
            [EVERYBODY, { at: 9, by: "rule" }],
          ]),
        )
        expect(yield* store.leave(S.id, 1, A)).toBe(true)
        expect(yield* store.leave(S.id, 1, A)).toBe(true)
        expect([...((yield* readSession(store))?.rooms.keys() ?? [])]).toEqual([EVERYBODY])
      }))

    test("does not change what was read, or given to it, by what is written later", (store) =>
      Effect.gen(function* () {
        const rooms = new Map<RoomName, Entry>()
        yield* store.open({ ...S, rooms })
        const before = yield* readSession(store)
        yield* store.join(S.id, 1, A, ENTRY)
        rooms.set(EVERYBODY, ENTRY)
        expect(before?.rooms.size).toBe(0)
        expect([...((yield* readSession(store))?.rooms.keys() ?? [])]).toEqual([A])
      }))

    test("writes nothing for who is not the owner, or of a session that there is not", (store) =>
      Effect.gen(function* () {
        yield* store.open({ ...S, owner: 2, rooms: new Map([[A, ENTRY]]) })
        for (const [id, owner] of [
          [S.id, 1],
          [S.id, 3],
          [sessionOf("unknown").id, 1],
        ] as const) {
          expect(yield* store.join(id, owner, EVERYBODY, ENTRY)).toBe(false)
          expect(yield* store.leave(id, owner, A)).toBe(false)
          expect(yield* store.drop(id, owner, "c1")).toBe(false)
          expect(yield* store.end(id, owner, "c1")).toBe(id !== S.id)
        }
        const stored = yield* store.read(S.id)
        expect([...(stored?.session.rooms.keys() ?? [])]).toEqual([A])
        expect(stored?.droppedAt).toBeUndefined()
      }))
  })

  describe(`${name}: taking users out of rooms`, () => {
    test("answers the last time of each room that was asked for, of that user alone", (store) =>
      Effect.gen(function* () {
        const at = 1_700_000_000_000_000
        yield* store.expel("ann", A, at)
        yield* store.expel("ann", A, at + 7)
        yield* store.expel("ann", A, at + 3)
        yield* store.expel("ann", "z é" as RoomName, at + 1)
        yield* store.expel("bob", "b" as RoomName, at)
        const rooms = [A, "b" as RoomName, "z é" as RoomName]
        expect(yield* store.expelledAt("ann", rooms)).toEqual(
          new Map([
            [A, at + 7],
            ["z é" as RoomName, at + 1],
          ]),
        )
        expect(yield* store.expelledAt("ann", [])).toEqual(new Map())
        expect(yield* store.expelledAt("cyd", rooms)).toEqual(new Map())
      }))
  })

  describe(`${name}: taking sessions over`, () => {
    test("raises the number, adds the connection's id, keeps the rest, and tells every node", (store, taken) =>
      Effect.gen(function* () {
        const session = { ...S, rooms: new Map([[A, ENTRY]]), info: { name: "Ann" } }
        yield* store.open(session)
        const took = yield* store.take(session, BY)
        yield* waitFor("the news of it", () => taken.length > 0)
        expect(taken).toEqual([`${S.id} 2`])
        expect(took).toEqual({ ...session, owner: 2, node: "another-node", connectionIds: ["c1", "c2"] })
        expect(yield* readSession(store)).toEqual(took)
      }))

    test("includes what was joined since the session was read", (store) =>
      Effect.gen(function* () {
        yield* store.open(S)
        const read = yield* readSession(store)
        yield* store.join(S.id, 1, A, ENTRY)
        if (read === undefined) throw new Error("not read")
        expect((yield* store.take(read, BY))?.rooms).toEqual(new Map([[A, ENTRY]]))
      }))

    test("leaves its former owner nothing to write", (store) =>
      Effect.gen(function* () {
        yield* store.open({ ...S, rooms: new Map([[A, ENTRY]]) })
        yield* store.take(S, BY)
        expect(yield* store.join(S.id, 1, EVERYBODY, ENTRY)).toBe(false)
        expect(yield* store.leave(S.id, 1, A)).toBe(false)
        expect(yield* store.drop(S.id, 1, "c1")).toBe(false)
        expect(yield* store.end(S.id, 1, "c1")).toBe(false)
        const stored = yield* store.read(S.id)
        expect([...(stored?.session.rooms.keys() ?? []), stored?.droppedAt]).toEqual([A, undefined])
        expect(yield* store.join(S.id, 2, EVERYBODY, ENTRY)).toBe(true)
      }))

    test("answers undefined, and tells nobody, where somebody else was faster or the session is gone", (store, taken) =>
      Effect.gen(function* () {
        yield* store.open(S)
        yield* store.take(S, BY)
        expect(yield* store.take(S, { node: "third", connectionId: "c3" })).toBeUndefined()
        expect(yield* store.take(sessionOf("unknown"), BY)).toBeUndefined()
        yield* waitFor("the takeover to be told", () => taken.length >= 1)
        expect(taken).toEqual([`${S.id} 2`])
        expect((yield* readSession(store))?.connectionIds).toEqual(["c1", "c2"])
      }))

    test("lets exactly one of many win", (store, taken) =>
      Effect.gen(function* () {
        yield* store.open(S)
        const all = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, i) => ({ node: "n", connectionId: `by${i}` })),
          (by) => store.take(S, by),
          { concurrency: "unbounded" },
        )
        const winners = all.filter((one) => one !== undefined)
        expect(winners).toHaveLength(1)
        expect(yield* readSession(store)).toEqual(winners[0])
        yield* waitFor("the takeover to be told", () => taken.length > 0)
        expect(taken).toEqual([`${S.id} 2`])
      }))

    test("remembers the last ids of its connections only, newest last", (store) =>
      Effect.gen(function* () {
        yield* store.open(S)
        let session: Session = S
        for (let i = 0; i < MAX_PAST_IDS + 5; i++) {
          const took: Session | undefined = yield* store.take(session, { node: "n", connectionId: `by${i}` })
          if (took === undefined) throw new Error("not taken")
          session = took
        }
        expect(session.connectionIds).toEqual(Array.from({ length: MAX_PAST_IDS }, (_, i) => `by${i + 5}`))
        expect(session.owner).toBe(MAX_PAST_IDS + 6)
      }))
  })

  describe(`${name}: dropping sessions`, () => {
    test("keeps a dropped one for the window, and says when it was dropped by the store's clock", (store) =>
      Effect.gen(function* () {
        yield* store.open(S)
        const opened = yield* store.read(S.id)
        yield* advance(1_000)
        expect(yield* store.drop(S.id, 1, "c1")).toBe(true)
        yield* advance(windowMs - 1_000)
        const stored = yield* store.read(S.id)
        expect(stored?.session).toEqual(S)
        expect(stored?.droppedAt).toBeGreaterThanOrEqual((opened?.now ?? 0) + 1_000)
        expect((stored?.now ?? 0) - (stored?.droppedAt ?? 0)).toBeGreaterThanOrEqual(windowMs - 1_000)
        yield* advance(2_000)
        expect(yield* store.read(S.id)).toBeUndefined()
      }))

    test("keeps a dropped one for no longer by what its owner still did", (store) =>
      Effect.gen(function* () {
        yield* store.open(S)
        expect(yield* store.drop(S.id, 1, "c1")).toBe(true)
        expect(yield* store.renew(S.id, 1)).toBe("renewed")
        expect(yield* store.join(S.id, 1, A, ENTRY)).toBe(true)
        expect(yield* store.leave(S.id, 1, A)).toBe(true)
        yield* advance(windowMs + 1_000)
        expect(yield* store.read(S.id)).toBeUndefined()
      }))

    test("keeps one that is not dropped, and one that was taken over in time, for as long as it lives", (store) =>
      Effect.gen(function* () {
        const lives = sessionOf("lives")
        yield* store.open(lives)
        yield* store.open(S)
        yield* store.drop(S.id, 1, "c1")
        yield* advance(windowMs - 1_000)
        expect((yield* store.take(S, BY))?.owner).toBe(2)
        yield* advance(3 * windowMs)
        expect((yield* store.read(S.id))?.droppedAt).toBeUndefined()
        expect((yield* readSession(store, lives.id))?.id).toBe(lives.id)
        yield* store.drop(S.id, 2, "c2")
        yield* advance(windowMs + 1_000)
        expect(yield* store.read(S.id)).toBeUndefined()
      }))

    test("is dropped and ended by the connection that has it, and by none that lost a race for the same number", (store) =>
      Effect.gen(function* () {
        yield* store.open(S)
        yield* store.take(S, BY)
        expect(yield* store.drop(S.id, 2, "c3")).toBe(false)
        expect(yield* store.end(S.id, 2, "c1")).toBe(false)
        expect((yield* store.read(S.id))?.droppedAt).toBeUndefined()
        expect(yield* store.drop(S.id, 2, "c2")).toBe(true)
      }))

    test("ends one for good, dropped or not: nobody takes it over", (store, taken) =>
      Effect.gen(function* () {
        for (const session of [S, sessionOf("other")]) {
          yield* store.open(session)
          if (session === S) yield* store.drop(S.id, 1, "c1")
          expect(yield* store.end(session.id, 1, "c1")).toBe(true)
          expect(yield* store.read(session.id)).toBeUndefined()
          expect(yield* store.take(session, BY)).toBeUndefined()
          expect(yield* store.end(session.id, 1, "c1")).toBe(true)
        }
        expect(taken).toEqual([])
      }))
  })
}
