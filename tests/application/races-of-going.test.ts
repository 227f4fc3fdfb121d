import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { enterRoom } from "#application/enter-room.ts"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import { connect } from "./node-fixture.ts"
import { openClient } from "./opened-client.ts"
import { A, away, B, close, GRACE_MS, listening, pass, test } from "./race-fixture.ts"

describe("a connection that is written off later", () => {
  test(
    "is told as left, though its session's end was carried out and only the answer lost",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const { connection } = yield* connect({ id: "a1", rooms: ["a"], session: true })
        const sessions = yield* SessionStore
        yield* closeConnection({ connection, reason: "revoked", outcome: "ended" }).pipe(
          Effect.provideService(SessionStore, {
            ...sessions,
            end: (...args) => Effect.andThen(sessions.end(...args), away),
          }),
        )
        yield* tendDepartures()
        assert.deepStrictEqual(words, ["room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "is told as left, though another one fails while it is written off",
    Effect.gen(function* () {
      const { afterEach, engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const directory = yield* ConnectionDirectory
        const { unwritten, writeLater } = yield* LocalConnections
        for (const id of ["a1", "a2"]) {
          yield* directory.register({
            connectionId: id,
            userId: "ann",
            node: "test-node",
            transport: "websocket",
            address: "192.0.2.1",
            rooms: [A, B],
            connectedAt: 0,
          })
          writeLater({ connectionId: id, session: undefined, outcome: "ended" })
        }
        const failed = yield* Deferred.make<void>()
        // Each word takes until the other one has failed, and then some.
        afterEach(Effect.andThen(Deferred.await(failed), Effect.yieldNow))
        const tended = yield* tendDepartures().pipe(
          Effect.provideService(ConnectionDirectory, {
            ...directory,
            remove: (id) =>
              id === "a2" ? Effect.andThen(Deferred.succeed(failed, undefined), away) : directory.remove(id),
          }),
          Effect.exit,
        )
        assert.strictEqual(tended._tag, "Failure")
        yield* tendDepartures()
        assert.strictEqual(unwritten.size, 0)
        assert.deepStrictEqual(words.toSorted(), ["room:left a", "room:left a", "room:left b", "room:left b"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "and cannot be does not hold up those whose grace is over",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, A, "rule")
        yield* close(first, "kept")
        const { writeLater } = yield* LocalConnections
        writeLater({ connectionId: "x", session: undefined, outcome: "ended" })
        const directory = yield* ConnectionDirectory
        yield* TestClock.adjust(GRACE_MS)
        yield* Effect.exit(tendDepartures()).pipe(
          Effect.provideService(ConnectionDirectory, { ...directory, remove: () => away }),
        )
        assert.deepStrictEqual(words, ["room:joined a", "room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "is written off once, though it closes while it is registered: it came back and is sent away, and its leave is told",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const context = yield* Effect.context<Services>()
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, A, "rule")
        yield* close(first, "kept")
        const directory = yield* ConnectionDirectory
        const sessions = yield* SessionStore
        let closing: Fiber.Fiber<void> | undefined
        let coming: LocalConnection | undefined
        const bothEnded = yield* Deferred.make<void>()
        let ends = 0
        // The store is far away: both ends are under way before the first answer is there, and a removal takes time.
        const far = {
          ...directory,
          remove: (id: string) => Effect.tap(directory.remove(id), () => Effect.repeat(Effect.yieldNow, { times: 5 })),
        }
        const slow = {
          ...sessions,
          end: (...args: Parameters<typeof sessions.end>) =>
            Effect.tap(sessions.end(...args), () => {
              if (++ends === 2) Deferred.doneUnsafe(bothEnded, Effect.void)
              return Deferred.await(bothEnded)
            }),
        }
        const gone = Effect.suspend(() =>
          coming === undefined
            ? Effect.void
            : Effect.asVoid(
                Effect.tap(
                  Effect.forkDetach(
                    closeConnection({ connection: coming, reason: "disconnected", outcome: "ended" }).pipe(
                      Effect.provideService(SessionStore, slow),
                      Effect.provideService(ConnectionDirectory, far),
                      Effect.provideContext(context),
                    ),
                    { startImmediately: true },
                  ),
                  (fiber) => Effect.sync(() => (closing = fiber)),
                ),
              ),
        )
        yield* Effect.exit(
          openClient("c2", {
            earlier: first,
            opened: (connection) => {
              coming = connection
            },
          }).pipe(
            Effect.provideService(SessionStore, slow),
            Effect.provideService(ConnectionDirectory, {
              ...far,
              register: (entry, replaced) => Effect.tap(directory.register(entry, replaced), () => gone),
            }),
          ),
        ).pipe(Effect.timeout(1_000), Effect.forkChild({ startImmediately: true }))
        yield* TestClock.adjust(2_000)
        if (closing === undefined) return assert.fail("it was not closed")
        yield* Fiber.join(closing)
        yield* pass(GRACE_MS)
        assert.deepStrictEqual(words, ["room:joined a", "room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "is told as left, though the node ends while it is given who is to be told of",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, A, "rule")
        yield* close(first, "kept")
        yield* TestClock.adjust(GRACE_MS)
        const directory = yield* ConnectionDirectory
        const go = yield* Deferred.make<void>()
        const tending = yield* tendDepartures().pipe(
          Effect.provideService(ConnectionDirectory, {
            ...directory,
            takeDeparted: (limit) => Effect.tap(directory.takeDeparted(limit), () => Deferred.await(go)),
          }),
          Effect.forkChild({ startImmediately: true }),
        )
        const ending = yield* Effect.forkChild(Fiber.interrupt(tending), { startImmediately: true })
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(ending)
        assert.deepStrictEqual(words, ["room:joined a", "room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "is told to the backend all the same where the node ends meanwhile",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms: ["a"], session: true })
      const sessions = yield* SessionStore
      const backend = yield* Backend
      const told: string[] = []
      const go = yield* Deferred.make<void>()
      const closing = yield* closeConnection({ connection, reason: "transport close", outcome: "kept" }).pipe(
        Effect.provideService(SessionStore, {
          ...sessions,
          drop: (...args) => Effect.andThen(Deferred.await(go), sessions.drop(...args)),
        }),
        Effect.provideService(Backend, { ...backend, notify: (kind) => void told.push(kind) }),
        Effect.forkChild({ startImmediately: true }),
      )
      const ending = yield* Effect.forkChild(Fiber.interrupt(closing), { startImmediately: true })
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(ending)
      assert.deepStrictEqual(told, ["connection.disconnect"])
    }),
  )
})
