import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { engineEvents } from "#application/engine-events.ts"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine, type Publish } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import { enterRoom, exitRoom } from "#application/room-membership.ts"
import type { Services } from "#application/services.ts"
import { type CloseCommand, closeConnection } from "#application/use-cases/close-connection.ts"
import { obeyCommand } from "#application/use-cases/obey-command.ts"
import { readHistory } from "#application/use-cases/read-history.ts"
import { refreshToken } from "#application/use-cases/refresh-token.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import { Refusal } from "#domain/errors.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { formatOffset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { connect, memoryNode, SESSION_ID } from "./node-fixture.ts"
import { type OpenedClient, openClient } from "./opened-client.ts"

const A = "a" as RoomName
const B = "b" as RoomName
const GRACE_MS = 5_000
const away = Effect.fail(new Refusal("engine_unavailable", "away"))
const rules = compileRoomRules({
  rooms: [{ match: "*", join: "anyone", publish: "members", presence: true, history: { size: 10, ttlMs: 3_600_000 } }],
  users: { history: undefined },
  everybody: { history: undefined },
})

/** What presence says, in the order said, with `then` done after each word. */
const listening = Effect.gen(function* () {
  const engine = yield* Engine
  const words: string[] = []
  let then: Effect.Effect<void> = Effect.void
  const publish = (what: Publish) =>
    Effect.tap(engine.publish(what), () => {
      if (!what.message.event.startsWith("room:")) return Effect.void
      words.push(`${what.message.event} ${what.message.rooms.join()}`)
      return then
    })
  return {
    words,
    engine: { ...engine, publish },
    afterEach: (work: Effect.Effect<void>) => {
      then = work
    },
  }
})

const close = ({ connection }: OpenedClient, outcome: CloseCommand["outcome"], reason: string = outcome) =>
  closeConnection({ connection, reason, outcome })

const pass = (ms: number) => Effect.andThen(TestClock.adjust(ms), tendDepartures())

/** Opens as the transport does: what fails once it is tracked is closed. */
const openOrClose = (id: string, earlier?: OpenedClient) =>
  Effect.suspend(() => {
    let tracked: LocalConnection | undefined
    const opened = (connection: LocalConnection): void => {
      tracked = connection
    }
    return openClient(id, { opened, ...(earlier && { earlier }) }).pipe(
      Effect.tapError(() =>
        tracked === undefined
          ? Effect.void
          : closeConnection({ connection: tracked, reason: "refused", outcome: "kept" }),
      ),
    )
  })

const test = (
  name: string,
  work: Effect.Effect<void, unknown, Services>,
  options: Parameters<typeof memoryNode>[0] = {},
): void => it.effect(name, () => Effect.provide(work, memoryNode({ settings: { rules }, ...options })))

describe("a takeover", () => {
  test(
    "closes the older connection of this node also where its news comes after its answer",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const events = engineEvents(context, () => 0)
      const first = yield* openClient("c1")
      const second = yield* openClient("c2", { earlier: first })
      const { id = "", owner = 0 } = second.connection.session ?? {}
      events.taken(id, owner)
      assert.deepStrictEqual(
        [first, second].map(({ closings }) => closings.map(({ code }) => code)),
        [["session_taken"], []],
      )
    }),
  )

  test(
    "that is carried out while its answer is lost, and whose client never returns, is a leave in the end",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, A, "rule")
        const sessions = yield* SessionStore
        yield* Effect.flip(openClient("c2", { earlier: first })).pipe(
          Effect.provideService(SessionStore, {
            ...sessions,
            take: (read, by) => Effect.andThen(sessions.take(read, by), away),
          }),
        )
        yield* close(first, "taken")
        for (let i = 0; i < 3; i++) yield* pass(GRACE_MS)
        assert.deepStrictEqual(words, ["room:joined a", "room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "whose registration fails is a leave in the end, or no second join",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, A, "rule")
        yield* Effect.flip(openOrClose("c2", first)).pipe(
          Effect.updateService(ConnectionDirectory, (directory) => ({ ...directory, register: () => away })),
        )
        yield* close(first, "taken")
        yield* openOrClose("c3", first)
        assert.deepStrictEqual(words, ["room:joined a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "says no second join where the older connection is gone before the new one is registered",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const context = yield* Effect.context<Services>()
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, A, "rule")
        const sessions = yield* SessionStore
        yield* openClient("c2", { earlier: first }).pipe(
          Effect.provideService(SessionStore, {
            ...sessions,
            take: (read, by) =>
              Effect.tap(sessions.take(read, by), () => Effect.provideContext(close(first, "taken"), context)),
          }),
        )
        assert.deepStrictEqual(words, ["room:joined a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "that meets a new epoch is no recovery: the position is of the old one",
    Effect.gen(function* () {
      const first = yield* openClient("c1")
      yield* close(first, "kept")
      const engine = yield* Engine
      const sessions = yield* SessionStore
      let epoch = engine.epoch()
      const second = yield* Effect.exit(
        openClient("c2", { earlier: first }).pipe(
          Effect.provideService(Engine, { ...engine, epoch: () => epoch }),
          Effect.provideService(SessionStore, {
            ...sessions,
            take: (read, by) => Effect.tap(sessions.take(read, by), () => Effect.sync(() => (epoch = "anew"))),
          }),
        ),
      )
      assert.isFalse(second._tag === "Success" && second.value.ready["recovered"])
    }),
  )
})

describe("presence", () => {
  test(
    "of who came back too late says no join after its leave, though it goes while the joins are told",
    Effect.gen(function* () {
      const { afterEach, engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const context = yield* Effect.context<Services>()
        const first = yield* openClient("c1")
        for (const room of [A, B]) yield* enterRoom(first.connection, room, "rule")
        yield* close(first, "kept")
        yield* pass(GRACE_MS)
        words.length = 0
        let going: LocalConnection | undefined
        afterEach(
          Effect.suspend(() =>
            going === undefined
              ? Effect.void
              : Effect.provideContext(
                  closeConnection({ connection: going, reason: "revoked", outcome: "ended" }),
                  context,
                ),
          ),
        )
        yield* Effect.exit(
          openClient("c2", {
            earlier: first,
            opened: (connection) => {
              going = connection
            },
          }),
        )
        const last = new Map(words.map((word) => word.split(" ").toReversed() as [string, string]))
        assert.deepStrictEqual(
          [...last],
          [
            ["a", "room:left"],
            ["b", "room:left"],
          ],
          words.join("; "),
        )
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "says once that somebody joined whom the API put into a room while it came back",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, A, "rule")
        yield* close(first, "kept")
        yield* pass(GRACE_MS)
        words.length = 0
        const directory = yield* ConnectionDirectory
        const context = yield* Effect.context<Services>()
        let coming: LocalConnection | undefined
        yield* openClient("c2", {
          earlier: first,
          opened: (connection) => {
            coming = connection
          },
        }).pipe(
          Effect.provideService(ConnectionDirectory, {
            ...directory,
            register: (entry, replaced) =>
              Effect.tap(directory.register(entry, replaced), () =>
                coming === undefined
                  ? Effect.void
                  : Effect.orDie(Effect.provideContext(Effect.asVoid(enterRoom(coming, B, "api")), context)),
              ),
          }),
        )
        assert.deepStrictEqual(words.toSorted(), ["room:joined a", "room:joined b"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )

  test(
    "says once that somebody left who leaves a room while it goes",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const { connection } = yield* connect({ id: "a1", rooms: ["a"] })
        const context = yield* Effect.context<Services>()
        const directory = yield* ConnectionDirectory
        yield* exitRoom(connection, A).pipe(
          Effect.provideService(ConnectionDirectory, {
            ...directory,
            leave: (...args) =>
              Effect.andThen(
                Effect.provideContext(closeConnection({ connection, reason: "gone", outcome: "kept" }), context),
                directory.leave(...args),
              ),
          }),
        )
        assert.deepStrictEqual(words, ["room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )
})

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
