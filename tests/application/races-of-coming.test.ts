import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { engineEvents } from "#application/engine-events.ts"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { tendConnections } from "#application/use-cases/tend-connections.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { connect } from "./node-fixture.ts"
import { type OpenedClient, openClient } from "./opened-client.ts"
import { A, away, B, close, GRACE_MS, listening, openOrClose, pass, test } from "./race-fixture.ts"

const byClaim = compileRoomRules({
  rooms: [{ match: "*", join: "token", publish: "members", presence: true, history: { size: 10, ttlMs: 3_600_000 } }],
  users: { history: undefined },
  everybody: { history: undefined },
})

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

describe("a position", () => {
  test(
    "stays young in quiet rooms however often its client comes back, whole each time",
    Effect.gen(function* () {
      const { recordTtlMs } = yield* Engine
      yield* TestClock.setTime(2 * recordTtlMs)
      let client = yield* openClient("c0")
      yield* enterRoom(client.connection, A, "rule")
      const recovered: unknown[] = []
      for (let i = 1; i <= 8; i++) {
        yield* TestClock.adjust(0.4 * recordTtlMs)
        yield* tendConnections()
        yield* close(client, "kept")
        client = yield* openClient(`c${i}`, { earlier: client })
        recovered.push(client.ready["recovered"])
      }
      assert.deepStrictEqual(
        recovered,
        Array.from({ length: 8 }, () => true),
      )
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

  /** Its grace was over, and its room was told that it left. */
  const whoLeft = Effect.gen(function* () {
    const first = yield* openClient("c1", { grants: ["a"] })
    yield* enterRoom(first.connection, A, "claim")
    yield* close(first, "kept")
    yield* pass(GRACE_MS)
    return first
  })

  test(
    "says no second leave of who came back too late and goes again before it was started",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const first = yield* whoLeft
        let looks = 0
        const refusal = yield* Effect.flip(openOrClose("c2", first, ["a"])).pipe(
          Effect.updateService(Revocations, (revocations) => ({
            ...revocations,
            isRevoked: (claims) => (++looks === 2 ? away : revocations.isRevoked(claims)),
          })),
        )
        assert.strictEqual(refusal._tag, "engine_unavailable")
        yield* pass(GRACE_MS)
        assert.deepStrictEqual(words, ["room:joined a", "room:left a", "room:joined a", "room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
    { settings: { rules: byClaim } },
  )

  test(
    "says no second leave of who came back too late with a token that grants the room no more",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const second = yield* openClient("c2", { earlier: yield* whoLeft, grants: [] })
        assert.deepStrictEqual([second.ready["recovered"], second.ready["rooms"]], [true, []])
        assert.deepStrictEqual(words, ["room:joined a", "room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
    { settings: { rules: byClaim } },
  )

  test(
    "says that somebody left who came back in time with a token that grants the room no more",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1", { grants: ["a"] })
        yield* enterRoom(first.connection, A, "claim")
        yield* close(first, "kept")
        yield* openClient("c2", { earlier: first, grants: [] })
        yield* pass(GRACE_MS)
        assert.deepStrictEqual(words, ["room:joined a", "room:left a"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
    { settings: { rules: byClaim } },
  )

  const wordsOf = (
    racing: (first: OpenedClient, comeBack: Effect.Effect<void>) => Effect.Effect<unknown, never, Services>,
  ) =>
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const context = yield* Effect.context<Services>()
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, A, "rule")
        words.length = 0
        const comeBack = Effect.gen(function* () {
          yield* openClient("c2", { earlier: first })
          yield* close(first, "taken")
        })
        yield* racing(first, Effect.orDie(Effect.provideContext(comeBack, context)))
        yield* pass(GRACE_MS)
      }).pipe(Effect.provideService(Engine, engine))
      return words
    })

  test(
    "says once that somebody joined a room whose session was taken over in the midst of it",
    Effect.gen(function* () {
      const sessions = yield* SessionStore
      const words = yield* wordsOf(({ connection }, comeBack) =>
        Effect.exit(enterRoom(connection, B, "rule")).pipe(
          Effect.provideService(SessionStore, {
            ...sessions,
            join: (...args) => Effect.tap(sessions.join(...args), () => comeBack),
          }),
        ),
      )
      assert.deepStrictEqual(words, ["room:joined b"])
    }),
  )

  test(
    "says once that somebody joined a room whose place there was taken over before it was told",
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      const words = yield* wordsOf(({ connection }, comeBack) =>
        Effect.exit(enterRoom(connection, B, "rule")).pipe(
          Effect.provideService(ConnectionDirectory, {
            ...directory,
            join: (...args) => Effect.tap(directory.join(...args), () => comeBack),
          }),
        ),
      )
      assert.deepStrictEqual(words, ["room:joined b"])
    }),
  )

  test(
    "says once that somebody left a room whose session was taken over in the midst of it",
    Effect.gen(function* () {
      const sessions = yield* SessionStore
      const words = yield* wordsOf(({ connection }, comeBack) =>
        Effect.exit(exitRoom(connection, A)).pipe(
          Effect.provideService(SessionStore, {
            ...sessions,
            leave: (...args) => Effect.tap(sessions.leave(...args), () => comeBack),
          }),
        ),
      )
      assert.deepStrictEqual(words, ["room:left a"])
    }),
  )

  test(
    "says that somebody left a room whose leave got no further than its session, once it comes back without it",
    Effect.gen(function* () {
      const words = yield* wordsOf(({ connection }, comeBack) =>
        Effect.exit(exitRoom(connection, A)).pipe(
          Effect.updateService(ConnectionDirectory, (directory) => ({ ...directory, leave: () => away })),
          Effect.andThen(comeBack),
        ),
      )
      assert.deepStrictEqual(words, ["room:left a"])
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
