import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe } from "vitest"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import { LocalConnections } from "#application/local-connections.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import type { Services } from "#application/services.ts"
import { joinRoom } from "#application/use-cases/join-room.ts"
import { obeyCommand } from "#application/use-cases/obey-command.ts"
import { readHistory } from "#application/use-cases/read-history.ts"
import { refreshToken } from "#application/use-cases/refresh-token.ts"
import type { Refusal } from "#domain/errors.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { formatOffset } from "#domain/offset.ts"
import { messageTo } from "#tests/domain/made.ts"
import { connect, SESSION_ID } from "./node-fixture.ts"
import { type OpenedClient, openClient } from "./opened-client.ts"
import { A, away, close, listening, openOrClose, pass, rules, test } from "./race-fixture.ts"

describe("a history", () => {
  test(
    "is not complete where the store began anew before it was read",
    Effect.gen(function* () {
      const engine = yield* Engine
      const log = yield* MessageLog
      const since = formatOffset(engine.epochOf(0), yield* engine.clock(0))
      let epoch = engine.epochOf(0)
      const { complete } = yield* readHistory({ room: A, since, limit: 10 }).pipe(
        Effect.provideService(Engine, { ...engine, epoch: () => epoch, epochOf: () => epoch }),
        Effect.provideService(MessageLog, {
          ...log,
          read: (...args) =>
            Effect.map(log.read(...args), (page) => {
              epoch = "anew"
              return { ...page, epoch, rooms: page.rooms.map((room) => ({ ...room, newest: 0 })) }
            }),
        }),
      )
      assert.isFalse(complete)
    }),
  )
})

describe("a token that is refreshed", () => {
  test(
    "does not count where the last look for revocations gets no answer",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      const before = connection.user
      const verifier = yield* TokenVerifier
      const revocations = yield* Revocations
      let looks = 0
      const refusal = yield* Effect.flip(refreshToken(connection, "a token")).pipe(
        Effect.provideService(TokenVerifier, {
          ...verifier,
          verify: () => Effect.succeed({ ...before.claims, expiresAt: 5_000_000_000 }),
        }),
        Effect.provideService(Revocations, {
          ...revocations,
          isRevoked: (claims) => (++looks === 2 ? away : revocations.isRevoked(claims)),
        }),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.strictEqual(connection.user, before)
    }),
  )
})

describe("a user's limit", () => {
  test(
    "lets one in of two that come at the same time where there is room for one",
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      const both = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      let arrived = 0
      let registered = 0
      const far = {
        ...directory,
        register: (...args: Parameters<typeof directory.register>) =>
          Effect.gen(function* () {
            if (++arrived === 2) Deferred.doneUnsafe(both, Effect.void)
            yield* Deferred.await(both)
            const answer = yield* directory.register(...args)
            if (++registered === 2) Deferred.doneUnsafe(done, Effect.void)
            yield* Deferred.await(done)
            return answer
          }),
      }
      Object.assign(far, {
        countOf: (userId: string) =>
          Effect.tap(directory.countOf(userId), () => Effect.repeat(Effect.yieldNow, { times: 5 })),
      })
      const exits = yield* Effect.forEach(["c1", "c2"], (id) => Effect.exit(openOrClose(id)), {
        concurrency: 2,
      }).pipe(Effect.provideService(ConnectionDirectory, far))
      assert.strictEqual(exits.filter(({ _tag }) => _tag === "Success").length, 1)
    }),
    { settings: { rules, limits: { ...DEFAULT_LIMITS, connectionsPerUser: 1 } } },
  )
})

describe("a join", () => {
  test(
    "that failed and could not be undone is undone later: nobody sees it in the room, and it does not come back to it",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", session: true })
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      yield* Effect.flip(enterRoom(connection, A, "rule")).pipe(
        Effect.provideService(ConnectionDirectory, {
          ...directory,
          join: (...args) => Effect.andThen(directory.join(...args), away),
          leave: () => away,
        }),
        Effect.provideService(SessionStore, { ...sessions, leave: () => away }),
      )
      for (let i = 0; i < 3; i++) yield* pass(1_000)
      assert.isFalse((yield* sessions.read(SESSION_ID))?.session.rooms.has(A))
      assert.strictEqual(yield* directory.memberCount(A), 0)
    }),
  )

  test(
    "of a room whose leave failed half-way counts, the earlier one too: who comes back has missed nothing of it",
    Effect.gen(function* () {
      const engine = yield* Engine
      const publish = (id: string) =>
        engine.publish({
          message: { ...messageTo([A]), id, data: JSON.stringify(id) },
          histories: [{ size: 10, ttlMs: 3_600_000 }],
          idempotency: undefined,
        })
      const halfWay: readonly ((client: OpenedClient) => Effect.Effect<unknown, Refusal, Services>)[] = [
        ({ connection }) =>
          exitRoom(connection, A).pipe(
            Effect.updateService(SessionStore, (sessions) => ({
              ...sessions,
              leave: (...args) => Effect.andThen(sessions.leave(...args), away),
            })),
          ),
        ({ connection }) =>
          exitRoom(connection, A).pipe(
            Effect.updateService(ConnectionDirectory, (directory) => ({
              ...directory,
              leave: (...args) => Effect.andThen(directory.leave(...args), away),
            })),
          ),
      ]
      const joins = [
        (client: OpenedClient) =>
          joinRoom({ connection: client.connection, room: A, since: undefined, recent: undefined }),
        (client: OpenedClient) => enterRoom(client.connection, A, "api"),
        // Nobody asks again: it is a member here all the same.
        () => pass(1_000),
      ]
      for (const [i, leave] of halfWay.entries())
        for (const [k, join] of joins.entries()) {
          const first = yield* openClient(`first ${i} ${k}`)
          yield* enterRoom(first.connection, A, "rule")
          yield* Effect.flip(leave(first))
          yield* join(first)
          const directory = yield* ConnectionDirectory
          assert.deepStrictEqual((yield* directory.connection(first.connection.id))?.rooms, [A])
          yield* close(first, "kept")
          yield* publish(`missed ${i} ${k}`)
          const second = yield* openClient(`second ${i} ${k}`, { earlier: first })
          assert.deepStrictEqual(
            [second.ready["recovered"], second.ready["rooms"], second.sent.map(({ data }) => data)],
            [true, [A], [`"missed ${i} ${k}"`]],
          )
          yield* close(second, "ended")
        }
    }),
  )
})

describe("a leave", () => {
  test(
    "that fails again and again waits once to be settled: nothing else is given up for it",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms: ["a"], session: true })
      const { unwritten } = yield* LocalConnections
      for (let i = 0; i < 3; i++)
        yield* Effect.flip(exitRoom(connection, A)).pipe(
          Effect.updateService(SessionStore, (sessions) => ({ ...sessions, leave: () => away })),
        )
      assert.strictEqual(unwritten.size, 1)
      yield* pass(1_000)
      assert.strictEqual(unwritten.size, 0)
    }),
  )
})

describe("a leave whose answer was lost", () => {
  test(
    "is told once it is asked for again",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const { connection } = yield* connect({ id: "a1", rooms: ["a"], session: true })
        yield* Effect.flip(exitRoom(connection, A)).pipe(
          Effect.updateService(ConnectionDirectory, (directory) => ({
            ...directory,
            leave: (...args) => Effect.andThen(directory.leave(...args), away),
          })),
        )
        assert.isTrue(yield* exitRoom(connection, A))
        yield* pass(1_000)
        assert.deepStrictEqual(words, ["room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )
})

describe("a command", () => {
  test(
    "to leave is not broken off half-way by a caller that goes away",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms: ["a"], session: true })
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      const go = yield* Deferred.make<void>()
      const leaving = yield* obeyCommand({ kind: "leave", connectionId: "a1", room: A }).pipe(
        Effect.provideService(ConnectionDirectory, {
          ...directory,
          leave: (...args) => Effect.andThen(Deferred.await(go), directory.leave(...args)),
        }),
        Effect.forkChild({ startImmediately: true }),
      )
      const ending = yield* Effect.forkChild(Fiber.interrupt(leaving), { startImmediately: true })
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(ending)
      const inSession = (yield* sessions.read(SESSION_ID))?.session.rooms.has(A)
      assert.strictEqual(connection.rooms.has(A), inSession)
    }),
  )
})
