import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { engineEvents } from "#application/engine-events.ts"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import type { Closing } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { memoryNode } from "./node-fixture.ts"
import { type Opening, openClient } from "./opened-client.ts"

/** Opens as the transport does: what fails once it is tracked is closed. */
const open = Effect.fnUntraced(function* (id: string, opening: Opening = {}) {
  let tracked: LocalConnection | undefined
  const opened = (connection: LocalConnection): void => {
    tracked = connection
  }
  return yield* openClient(id, { opened, ...opening }).pipe(
    Effect.tapError(() =>
      tracked === undefined
        ? Effect.void
        : closeConnection({ connection: tracked, reason: "refused", outcome: "kept" }),
    ),
  )
})

const revoke = Effect.gen(function* () {
  const revocations = yield* Revocations
  yield* revocations.add({ tokenId: "t1", expiresAt: undefined })
})
const claims = { tokenId: "t1" }

const traces = Effect.gen(function* () {
  const { byId, unwritten } = yield* LocalConnections
  const directory = yield* ConnectionDirectory
  return [byId.size, unwritten.size, yield* directory.countOf("ann")]
})
const NONE = [0, 0, 0]

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () =>
    Effect.provide(work, memoryNode({ settings: { limits: { ...DEFAULT_LIMITS, connectionsPerUser: 2 } } })),
  )

const tagOf = <A, R>(work: Effect.Effect<A, { readonly _tag: string }, R>) =>
  Effect.map(Effect.flip(work), (e) => e._tag)

describe("a client whose token is revoked", () => {
  test(
    "touches nothing of the session that it names",
    Effect.gen(function* () {
      const earlier = yield* open("c1", { claims })
      yield* closeConnection({ connection: earlier.connection, reason: "drop", outcome: "kept" })
      yield* revoke
      assert.strictEqual(yield* tagOf(open("c2", { claims, earlier })), "revoked")
      const sessions = yield* SessionStore
      assert.strictEqual((yield* sessions.read(earlier.connection.session?.id ?? ""))?.session.owner, 1)
      assert.deepStrictEqual(yield* traces, NONE)
    }),
  )

  test(
    "while it connects is not let in, be it fresh or recovered",
    Effect.gen(function* () {
      const earlier = yield* open("c1", { claims })
      yield* closeConnection({ connection: earlier.connection, reason: "drop", outcome: "kept" })
      const directory = yield* ConnectionDirectory
      const revocations = yield* Revocations
      for (const opening of [{ claims }, { claims, earlier }]) {
        const tag = yield* tagOf(open("c2", opening)).pipe(
          Effect.provideService(ConnectionDirectory, {
            ...directory,
            register: (entry, replaced) =>
              Effect.tap(directory.register(entry, replaced), () =>
                Effect.orDie(Effect.provideService(revoke, Revocations, revocations)),
              ),
          }),
        )
        assert.strictEqual(tag, "revoked")
        assert.deepStrictEqual(yield* traces, NONE)
        const [found] = (yield* revocations.list({ limit: 10, cursor: undefined })).items
        if (found !== undefined) yield* revocations.remove(found.id)
      }
    }),
  )
})

describe("a user's limit", () => {
  test(
    "holds for a session that comes back after others have come in its place",
    Effect.gen(function* () {
      const earlier = yield* open("c1")
      yield* closeConnection({ connection: earlier.connection, reason: "drop", outcome: "kept" })
      yield* open("c2")
      yield* open("c3")
      assert.strictEqual(yield* tagOf(open("c4", { earlier })), "too_many_connections")
      const directory = yield* ConnectionDirectory
      assert.strictEqual(yield* directory.countOf("ann"), 2)
    }),
  )

  test(
    "refuses one more before the backend is asked, and whoever came at the same time after it; a session that comes back passes",
    Effect.gen(function* () {
      const backend = yield* Backend
      const directory = yield* ConnectionDirectory
      const context = yield* Effect.context<Services>()
      let asked = 0
      const asking = (meanwhile: Effect.Effect<unknown, Refusal>) => ({
        ...backend,
        hears: () => true,
        ask: () =>
          Effect.suspend(() => {
            asked++
            return Effect.as(Effect.orDie(meanwhile), null)
          }),
      })
      const first = yield* open("c1")
      const another = Effect.orDie(Effect.provideContext(open("c2"), context))
      const late = yield* tagOf(open("c3")).pipe(Effect.provideService(Backend, asking(another)))
      assert.strictEqual(late, "too_many_connections")
      assert.strictEqual(asked, 1)
      assert.strictEqual(yield* directory.countOf("ann"), 2)
      const third = yield* tagOf(open("c4")).pipe(Effect.provideService(Backend, asking(Effect.void)))
      assert.strictEqual(third, "too_many_connections")
      assert.strictEqual(asked, 1)
      yield* open("c5", { earlier: first })
      assert.strictEqual(yield* directory.countOf("ann"), 2)
    }),
  )
})

describe("a client that is let in", () => {
  test(
    "is in the directory as its transport knows it, from then on",
    Effect.gen(function* () {
      yield* open("c1", { claims: { info: "Ann" } })
      const directory = yield* ConnectionDirectory
      assert.deepStrictEqual(yield* directory.connection("c1"), {
        connectionId: "c1",
        userId: "ann",
        node: "test-node",
        transport: "websocket",
        address: "192.0.2.1",
        rooms: [],
        connectedAt: 0,
        info: "Ann",
      })
    }),
  )
})

describe("a client that goes away while it connects", () => {
  test(
    "to go on with its session is not let in at the last step, and may come back",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const earlier = yield* open("c1")
      yield* closeConnection({ connection: earlier.connection, reason: "drop", outcome: "kept" })
      const revocations = yield* Revocations
      let tracked: LocalConnection | undefined
      const tag = yield* tagOf(
        openClient("c2", {
          earlier,
          opened: (connection) => {
            tracked = connection
          },
        }),
      ).pipe(
        Effect.provideService(Revocations, {
          ...revocations,
          isRevoked: (claims) =>
            Effect.tap(revocations.isRevoked(claims), () =>
              tracked === undefined
                ? Effect.void
                : Effect.provideContext(
                    closeConnection({ connection: tracked, reason: "gone", outcome: "kept" }),
                    context,
                  ),
            ),
        }),
      )
      assert.strictEqual(tag, "engine_unavailable")
      assert.deepStrictEqual(yield* traces, NONE)
      assert.isTrue((yield* open("c3", { earlier })).ready["recovered"])
    }),
  )

  test(
    "leaves nothing in the directory",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const directory = yield* ConnectionDirectory
      let tracked: LocalConnection | undefined
      const opening = openClient("c1", {
        opened: (connection) => {
          tracked = connection
        },
      })
      const gone = Effect.suspend(() =>
        tracked === undefined
          ? Effect.void
          : Effect.provideContext(closeConnection({ connection: tracked, reason: "gone", outcome: "kept" }), context),
      )
      const tag = yield* tagOf(opening).pipe(
        Effect.provideService(ConnectionDirectory, {
          ...directory,
          register: (entry, replaced) => Effect.andThen(gone, directory.register(entry, replaced)),
        }),
      )
      assert.strictEqual(tag, "engine_unavailable")
      assert.deepStrictEqual(yield* traces, NONE)
    }),
  )
})

describe("a session that is taken by another connection while this one takes it", () => {
  test(
    "is not held twice: whoever lost it is closed before it is registered",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const engine = yield* Engine
      engine.start(engineEvents(context, () => 0))
      const earlier = yield* open("c1")
      yield* closeConnection({ connection: earlier.connection, reason: "drop", outcome: "kept" })
      const sessions = yield* SessionStore
      const closings: Closing[] = []
      const tag = yield* tagOf(open("c2", { earlier, closings })).pipe(
        Effect.provideService(SessionStore, {
          ...sessions,
          take: (read, by) =>
            Effect.tap(sessions.take(read, by), (mine) =>
              mine === undefined ? Effect.void : Effect.asVoid(sessions.take(mine, { node: "b", connectionId: "c3" })),
            ),
        }),
      )
      assert.strictEqual(tag, "engine_unavailable")
      assert.deepStrictEqual(
        closings.map(({ code }) => code),
        ["session_taken"],
      )
      assert.deepStrictEqual(yield* traces, NONE)
      const stored = yield* sessions.read(earlier.connection.session?.id ?? "")
      assert.deepInclude(stored?.session, { owner: 3 })
      assert.isUndefined(stored?.droppedAt)
    }),
  )
})

describe("a client that the backend or a handler has let in, and that is refused after all", () => {
  const opening = (broken: Partial<EventHandlers["Service"]>, opened?: (connection: LocalConnection) => void) =>
    Effect.gen(function* () {
      const told: string[] = []
      const backend = yield* Backend
      const handlers = yield* EventHandlers
      const tag = yield* tagOf(open("c1", { claims: { ...claims, info: 7 }, ...(opened && { opened }) })).pipe(
        Effect.provideService(Backend, {
          hears: (kind) => backend.hears(kind) || kind.startsWith("connection."),
          ask: () => Effect.succeed(null),
          notify: (kind, { connectionId, info }) => void told.push(`${kind} ${connectionId} ${info}`),
        }),
        Effect.provideService(EventHandlers, {
          ...handlers,
          disconnect: ({ connectionId }, reason) =>
            Effect.sync(() => told.push(`disconnect ${connectionId} ${reason}`)),
          ...broken,
        }),
      )
      return { tag, told }
    })

  test(
    "is told to the backend as gone, and to no handler where one refused it",
    Effect.gen(function* () {
      const refused = Effect.fail(new Refusal("handler_failed", "no"))
      const { tag, told } = yield* opening({ connect: () => refused })
      assert.strictEqual(tag, "handler_failed")
      assert.deepStrictEqual(told, ["connection.disconnect c1 7"])
      assert.deepStrictEqual(yield* traces, NONE)
    }),
  )

  test(
    "is told to no backend that was not asked",
    Effect.gen(function* () {
      const told: string[] = []
      const refused = Effect.fail(new Refusal("handler_failed", "no"))
      yield* tagOf(open("c1")).pipe(
        Effect.updateService(Backend, (backend) => ({ ...backend, notify: (kind) => void told.push(kind) })),
        Effect.updateService(EventHandlers, (handlers) => ({ ...handlers, connect: () => refused })),
      )
      assert.deepStrictEqual(told, [])
    }),
  )

  test(
    "is told to the handlers too where all of them had let it in",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const revoking = Effect.provideContext(revoke, context)
      const { tag, told } = yield* opening({ connect: () => Effect.orDie(revoking) })
      assert.strictEqual(tag, "revoked")
      assert.deepStrictEqual(told, ["disconnect c1 refused", "connection.disconnect c1 7"])
      assert.deepStrictEqual(yield* traces, NONE)
    }),
  )

  test(
    "is told to both where it went away meanwhile",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      let tracked: LocalConnection | undefined
      const leave = Effect.suspend(() =>
        tracked === undefined
          ? Effect.void
          : Effect.provideContext(
              closeConnection({ connection: tracked, reason: "transport close", outcome: "kept" }),
              context,
            ),
      )
      const { tag, told } = yield* opening({ connect: () => leave }, (connection) => {
        tracked = connection
      })
      assert.strictEqual(tag, "engine_unavailable")
      assert.deepStrictEqual(told, ["disconnect c1 refused", "connection.disconnect c1 7"])
      assert.deepStrictEqual(yield* traces, NONE)
    }),
  )
})

describe("a token of a nameless user", () => {
  test(
    "is refused: such users have none",
    Effect.gen(function* () {
      assert.strictEqual(yield* tagOf(open("c1", { claims: { userId: "anonymous:x" } })), "unauthorized")
    }),
  )
})
