import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { LocalConnections } from "#application/local-connections.ts"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { takeSession } from "#application/take-session.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import { Refusal } from "#domain/errors.ts"
import { formatPosition } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { type Claims, userOf } from "#domain/user.ts"
import { memoryNode, SESSION_ID } from "./node-fixture.ts"

const LOBBY = "lobby" as RoomName
const SECRET = "secret" as RoomName
const WINDOW_MS = 120_000

const claims: Claims = {
  userId: "ann",
  expiresAt: 4_000_000_000,
  issuedAt: 1_000,
  tokenId: undefined,
  rooms: [],
  publish: [],
  info: undefined,
}

const history = { size: 5, ttlMs: 3_600_000 }
const rules = compileRoomRules({
  rooms: [
    { match: "secret", join: "token", publish: "members", presence: false, history },
    { match: "*", join: "anyone", publish: "members", presence: false, history },
  ],
  users: { history: undefined },
  everybody: { history: undefined },
})

const say = (room: RoomName, times = 1) =>
  Effect.repeat(
    publishMessage({
      push: { to: { rooms: [room] }, event: "said", data: null },
      from: "backend",
      idempotency: undefined,
    }),
    { times: times - 1 },
  )

/** A session of ann's, in the lobby and the secret room, with all that was said until now, dropped. */
const dropped = Effect.gen(function* () {
  yield* TestClock.adjust(1_000)
  const engine = yield* Engine
  const sessions = yield* SessionStore
  const at = yield* engine.clock(0)
  const session = {
    id: SESSION_ID,
    owner: 1,
    userId: "ann",
    node: "a",
    connectionIds: ["c1"],
    rooms: new Map([
      [LOBBY, { at, by: "rule" as const }],
      [SECRET, { at, by: "claim" as const }],
    ]),
    info: undefined,
  }
  yield* sessions.open(session)
  yield* sessions.drop(SESSION_ID, 1, "c1")
  return { position: formatPosition(engine.epoch(), [at]), at }
})

const take = (position: unknown, change: { readonly sessionId?: unknown; readonly claims?: Partial<Claims> } = {}) =>
  takeSession(
    { connectionId: "c2", sessionId: "sessionId" in change ? change.sessionId : SESSION_ID, position },
    userOf({ ...claims, rooms: ["secret"], ...change.claims }),
  )

const owner = Effect.gen(function* () {
  const sessions = yield* SessionStore
  return (yield* sessions.read(SESSION_ID))?.session.owner
})

const test = (
  name: string,
  work: Effect.Effect<void, unknown, Services>,
  settings: Partial<Settings["Service"]> = {},
): void => it.effect(name, () => Effect.provide(work, memoryNode({ settings: { rules, ...settings } })))

describe("a session that a client names", () => {
  test(
    "is taken over where it is whole: one owner further, with the position as its floor",
    Effect.gen(function* () {
      const { at, position } = yield* dropped
      yield* say(LOBBY, 5)
      const taken = yield* take(position)
      assert.deepInclude(taken, { floor: [at] })
      assert.deepInclude(taken?.session, { owner: 2, connectionIds: ["c1", "c2"] })
    }),
  )

  test(
    "stays untouched where it is another user's, or where name or position are none",
    Effect.gen(function* () {
      const { position } = yield* dropped
      assert.isUndefined(yield* take(position, { claims: { userId: "bob" } }))
      assert.isUndefined(yield* take(position, { sessionId: `${SESSION_ID.slice(1)}9` }))
      for (const sessionId of [7, null, {}, "short", `${SESSION_ID}x`])
        assert.isUndefined(yield* take(position, { sessionId }))
      for (const none of [undefined, null, 7, "", "nothing", `${position}.5`]) assert.isUndefined(yield* take(none))
      assert.strictEqual(yield* owner, 1)
      assert.isDefined(yield* take(position))
    }),
  )

  test(
    "stays untouched where the position is of another epoch, or of the future",
    Effect.gen(function* () {
      const { at, position } = yield* dropped
      const engine = yield* Engine
      assert.isUndefined(yield* take(position.replace(engine.epoch(), "another")))
      assert.isUndefined(yield* take(formatPosition(engine.epoch(), [at + 61_000_000])))
      assert.strictEqual(yield* owner, 1)
      assert.isDefined(yield* take(position))
    }),
  )

  test(
    "is dropped again when the engine is back, where a takeover got no answer and was done or not",
    Effect.gen(function* () {
      const { position } = yield* dropped
      const sessions = yield* SessionStore
      const away = Effect.fail(new Refusal("engine_unavailable", "no answer"))
      const { unwritten } = yield* LocalConnections
      for (const done of [true, false]) {
        const before = yield* owner
        const lost = take(position).pipe(
          Effect.provideService(SessionStore, {
            ...sessions,
            take: (read, by) => Effect.andThen(done ? Effect.asVoid(sessions.take(read, by)) : Effect.void, away),
          }),
        )
        assert.strictEqual((yield* Effect.flip(lost))._tag, "engine_unavailable")
        assert.strictEqual(unwritten.size, 1)
        yield* TestClock.adjust(1_000)
        yield* tendDepartures()
        assert.strictEqual(unwritten.size, 0)
        const stored = yield* sessions.read(SESSION_ID)
        assert.strictEqual(stored?.session.owner, (before ?? 0) + (done ? 1 : 0))
        assert.isDefined(stored?.droppedAt)
      }
    }),
  )

  test(
    "is not dropped for another connection's takeover where this one's got no answer",
    Effect.gen(function* () {
      const { position } = yield* dropped
      const sessions = yield* SessionStore
      const away = Effect.fail(new Refusal("engine_unavailable", "no answer"))
      yield* Effect.flip(take(position).pipe(Effect.provideService(SessionStore, { ...sessions, take: () => away })))
      const read = yield* sessions.read(SESSION_ID)
      if (read === undefined) return assert.fail("no session")
      yield* sessions.take(read.session, { node: "b", connectionId: "c9" })
      yield* tendDepartures()
      assert.isUndefined((yield* sessions.read(SESSION_ID))?.droppedAt)
    }),
  )

  test(
    "is gone when the window is over, though the store keeps it longer",
    Effect.gen(function* () {
      const { position } = yield* dropped
      const sessions = yield* SessionStore
      const late = (ms: number) =>
        take(position).pipe(
          Effect.provideService(SessionStore, {
            ...sessions,
            read: (id) =>
              Effect.map(sessions.read(id), (stored) => stored && { ...stored, now: (stored.droppedAt ?? 0) + ms }),
          }),
        )
      assert.isUndefined(yield* late(WINDOW_MS + 1))
      assert.strictEqual(yield* owner, 1)
      assert.isDefined(yield* late(WINDOW_MS))
    }),
  )

  test(
    "has each partition's rooms looked at from that partition's offset, and in bounded numbers",
    Effect.gen(function* () {
      const { at } = yield* dropped
      const engine = yield* Engine
      const log = yield* MessageLog
      const sessions = yield* SessionStore
      for (let i = 0; i < 126; i++) yield* sessions.join(SESSION_ID, 1, `r${i}` as RoomName, { at: 0, by: "rule" })
      const looked: unknown[] = []
      yield* take(formatPosition(engine.epoch(), [at, at + 5])).pipe(
        Effect.provideService(Engine, {
          ...engine,
          partitions: 2,
          workedOff: [at, at],
          partitionOf: (room) => (room === SECRET ? 1 : 0),
        }),
        Effect.provideService(MessageLog, {
          ...log,
          survey: (partition, cursors, atMost) => {
            looked.push([partition, cursors.length, cursors[0]?.after])
            return log.survey(partition, cursors, atMost)
          },
        }),
      )
      assert.deepStrictEqual(looked, [
        [0, 64, at],
        [0, 63, at],
        [1, 1, at + 5],
      ])
    }),
  )

  test(
    "is gone when the window is over, and not before",
    Effect.gen(function* () {
      const { position } = yield* dropped
      yield* TestClock.adjust(WINDOW_MS)
      assert.isDefined(yield* take(position))
      const sessions = yield* SessionStore
      yield* sessions.drop(SESSION_ID, 2, "c2")
      yield* TestClock.adjust(WINDOW_MS + 1)
      assert.isUndefined(yield* take(position))
    }),
  )

  test(
    "stays untouched where its room has forgotten something that it missed",
    Effect.gen(function* () {
      const { position } = yield* dropped
      yield* say(LOBBY, 6)
      assert.isUndefined(yield* take(position))
      assert.strictEqual(yield* owner, 1)
    }),
  )

  test(
    "is not held back by a room that its user may not be in any more",
    Effect.gen(function* () {
      const { position } = yield* dropped
      yield* say(SECRET, 6)
      assert.isUndefined(yield* take(position))
      assert.isDefined(yield* take(position, { claims: { rooms: [] } }))
    }),
  )

  test(
    "stays untouched where more was missed than one replay may have, counted over all of its rooms",
    Effect.gen(function* () {
      const { position } = yield* dropped
      yield* say(LOBBY, 2)
      yield* say(SECRET, 1)
      assert.isDefined(yield* take(position))
      yield* say(SECRET, 1)
      assert.isUndefined(yield* take(position))
      assert.strictEqual(yield* owner, 2)
    }),
    { recovery: { windowMs: WINDOW_MS, maxMessages: 3 } },
  )

  test(
    "waits where the subscription is not known to work, and stays untouched",
    Effect.gen(function* () {
      const { position } = yield* dropped
      const engine = yield* Engine
      const refusal = yield* Effect.flip(take(position)).pipe(
        Effect.provideService(Engine, { ...engine, isFresh: () => false }),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.strictEqual(yield* owner, 1)
    }),
  )

  test(
    "waits where somebody else takes it first, lest two of them go on",
    Effect.gen(function* () {
      const { position } = yield* dropped
      const log = yield* MessageLog
      const sessions = yield* SessionStore
      const faster = Effect.gen(function* () {
        const read = yield* sessions.read(SESSION_ID)
        if (read !== undefined) yield* sessions.take(read.session, { node: "b", connectionId: "c9" })
      })
      const refusal = yield* Effect.flip(take(position)).pipe(
        Effect.provideService(MessageLog, {
          ...log,
          survey: (...args) => Effect.tap(log.survey(...args), () => faster),
        }),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.strictEqual(yield* owner, 2)
    }),
  )

  test(
    "stays untouched where the store began anew while its logs were looked at",
    Effect.gen(function* () {
      const { position } = yield* dropped
      const engine = yield* Engine
      const log = yield* MessageLog
      let epoch = engine.epoch()
      const looked = take(position).pipe(
        Effect.provideService(Engine, { ...engine, epoch: () => epoch }),
        Effect.provideService(MessageLog, {
          ...log,
          survey: (...args) => Effect.tap(log.survey(...args), () => Effect.sync(() => (epoch = "new"))),
        }),
      )
      assert.isUndefined(yield* looked)
      assert.strictEqual(yield* owner, 1)
    }),
  )
})
