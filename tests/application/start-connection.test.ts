import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { engineEvents } from "#application/engine-events.ts"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { capturedLogs } from "#tests/support/captured-logs.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { memoryNode } from "./node-fixture.ts"
import { type OpenedClient, openClient } from "./opened-client.ts"

const OPEN = "open" as RoomName
const PAID = "paid" as RoomName
const PLAIN = "plain" as RoomName
const GRACE_MS = 5_000

const history = { size: 10, ttlMs: 3_600_000 }
const rules = compileRoomRules({
  rooms: [
    { match: "open", join: "anyone", publish: "members", presence: true, history },
    { match: "plain", join: "anyone", publish: "members", presence: false, history: undefined },
    { match: "paid", join: "token", publish: "members", presence: false, history },
  ],
  users: { history: undefined },
  everybody: { history: undefined },
})

const drop = ({ connection }: OpenedClient) =>
  closeConnection({ connection, reason: "transport close", outcome: "kept" })

const say = (room: string, data: number) =>
  publishMessage({ push: { to: { rooms: [room] }, event: "said", data }, from: "backend", idempotency: undefined })

/** What presence says about ann, in the order said. */
const presence = Effect.gen(function* () {
  const engine = yield* Engine
  const words: string[] = []
  const listening = {
    ...engine,
    publish: (publish: Parameters<typeof engine.publish>[0]) => {
      const { event, rooms } = publish.message
      if (event.startsWith("room:")) words.push(`${event} ${rooms.join()}`)
      return engine.publish(publish)
    },
  }
  return { words, listening }
})

const test = (
  name: string,
  work: Effect.Effect<void, unknown, Services>,
  settings: Partial<Settings["Service"]> = {},
): void => it.effect(name, () => Effect.provide(work, memoryNode({ settings: { rules, ...settings } })))

/** What the backend answers to `connection.connect`. */
const answering = (answer: unknown) =>
  Effect.updateService(Backend, (backend: Backend["Service"]) => ({
    ...backend,
    hears: (kind) => kind === "connection.connect",
    ask: () => Effect.succeed(answer),
  }))

const started = Effect.gen(function* () {
  const context = yield* Effect.context<Services>()
  const engine = yield* Engine
  engine.start(engineEvents(context, () => 0))
})

describe("a connection that starts", () => {
  test(
    "is reached by its own id, its user's and everybody's, before it comes back and after",
    Effect.gen(function* () {
      yield* started
      const first = yield* openClient("c1")
      const reach = (connectionId: string) =>
        Effect.forEach([{ connections: [connectionId] }, { users: ["ann"] }, { all: true }], (to, i) =>
          publishMessage({ push: { to, event: "said", data: i }, from: "backend", idempotency: undefined }),
        )
      yield* reach("c1")
      assert.deepStrictEqual(first.events, ["session:ready", "said 0", "said 1", "said 2"])
      yield* drop(first)
      const second = yield* openClient("c2", { earlier: first })
      yield* reach("c2")
      assert.deepStrictEqual(second.events, ["session:ready", "said 0", "said 1", "said 2"])
    }),
  )

  test(
    "has its user's and everybody's room in its session from its first connection on",
    Effect.gen(function* () {
      const first = yield* openClient("c1")
      const sessions = yield* SessionStore
      const entries = Effect.map(sessions.read(first.connection.session?.id ?? ""), (stored) =>
        [...(stored?.session.rooms ?? [])].map(([room, { at }]) => [String(room), at] as const),
      )
      const before = yield* entries
      assert.deepStrictEqual(
        before.map(([room]) => room),
        ["$user:ann", "$all"],
      )
      yield* drop(first)
      yield* openClient("c2", { earlier: first })
      assert.deepStrictEqual(yield* entries, before)
    }),
  )

  test(
    "is in the rooms that the backend names, without those that no rule matches, and no more than a connection may be in",
    Effect.gen(function* () {
      const { connection, ready } = yield* openClient("c1").pipe(
        answering({ rooms: ["nowhere", "paid", "open", "plain"] }),
        Effect.updateService(Settings, (settings) => ({
          ...settings,
          limits: { ...settings.limits, roomsPerConnection: 2 },
        })),
      )
      assert.deepStrictEqual(ready["rooms"], ["paid", "open"])
      assert.strictEqual(connection.rooms.get(PAID)?.by, "api")
    }),
  )

  test(
    "is told when its token ends, and counted as fresh, as recovered, or as one that could not be",
    Effect.gen(function* () {
      const metrics = recordingMetrics()
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1", { claims: { expiresAt: 5_000 } })
        assert.strictEqual(first.ready["expiresAt"], 5_000_000)
        yield* drop(first)
        const second = yield* openClient("c2", { earlier: first })
        yield* openClient("c3", { earlier: { ...second, position: undefined } })
      }).pipe(Effect.provide(metrics.layer))
      assert.deepStrictEqual(metrics.calls.connectionOpened, [["fresh"], ["recovered"], ["not_recovered"]])
    }),
  )

  test(
    "and is gone while it enters its rooms leaves none of them behind",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const engine = yield* Engine
      let going: LocalConnection | undefined
      const close = Effect.suspend(() =>
        going === undefined
          ? Effect.void
          : Effect.provideContext(
              closeConnection({ connection: going, reason: "transport close", outcome: "kept" }),
              context,
            ),
      )
      const rooms = yield* LocalRooms.pipe(
        Effect.provide(Layer.fresh(LocalRooms.layer)),
        Effect.provideService(Engine, {
          ...engine,
          subscribe: (room) => Effect.andThen(close, engine.subscribe(room)),
        }),
      )
      const refusal = yield* Effect.flip(
        openClient("c1", {
          opened: (connection) => {
            going = connection
          },
        }),
      ).pipe(Effect.provideService(LocalRooms, rooms))
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.strictEqual(rooms.byName.size, 0)
    }),
  )

  test(
    "and wants no positions has no session, and is told of none",
    Effect.gen(function* () {
      const { connection, ready } = yield* openClient("c1", { meta: false })
      assert.isUndefined(connection.session)
      assert.isUndefined(ready["resume"])
      const first = yield* openClient("c2")
      yield* drop(first)
      const second = yield* openClient("c3", { earlier: first, meta: false })
      assert.deepInclude(second.ready, { recovered: false })
      assert.isUndefined(second.connection.session)
    }),
  )

  test(
    "again is shown to others as the backend said when it first came",
    Effect.gen(function* () {
      const first = yield* openClient("c1", { claims: { info: "the token's" } }).pipe(answering({ info: "Ann" }))
      const plain = yield* openClient("c2", { claims: { info: "the token's" } })
      assert.deepStrictEqual([first.connection.member.info, plain.connection.member.info], ["Ann", "the token's"])
      for (const [earlier, info] of [
        [first, "Ann"],
        [plain, "the token's"],
      ] as const) {
        yield* drop(earlier)
        const again = yield* openClient(`${earlier.connection.id}-again`, {
          earlier,
          claims: { info: "the token's" },
        })
        assert.strictEqual(again.connection.member.info, info)
      }
    }),
  )

  test(
    "is told first of all who it is and what it has, with a position, and is behind no gate then",
    Effect.gen(function* () {
      const { connection, events, position, ready } = yield* openClient("c1")
      assert.deepStrictEqual(events, ["session:ready"])
      assert.deepInclude(ready, { connectionId: "c1", userId: "ann", recovered: false, rooms: [], unlogged: [] })
      assert.strictEqual(ready["resume"], connection.session?.id)
      assert.isDefined(position)
      assert.isNull(connection.gate)
      assert.strictEqual(connection.gateHolds, 0)
    }),
  )

  test(
    "gets what it missed after that, in order over its rooms, and names the rooms of which nothing was kept",
    Effect.gen(function* () {
      const first = yield* openClient("c1", { grants: ["paid"] })
      for (const room of [OPEN, PLAIN, PAID]) yield* enterRoom(first.connection, room, room === PAID ? "claim" : "rule")
      yield* drop(first)
      yield* say("open", 1)
      yield* say("plain", 2)
      yield* say("paid", 3)
      yield* say("open", 4)
      const second = yield* openClient("c2", { grants: ["paid"], earlier: first })
      assert.deepInclude(second.ready, { recovered: true, rooms: ["open", "plain", "paid"], unlogged: ["plain"] })
      assert.deepStrictEqual(second.events, ["session:ready", "said 1", "said 3", "said 4"])
    }),
  )

  test(
    "is told to the backend when it goes, be it fresh or recovered",
    Effect.gen(function* () {
      const told: string[] = []
      const going = (client: OpenedClient) =>
        drop(client).pipe(
          Effect.updateService(Backend, (backend) => ({
            ...backend,
            notify: (kind, { connectionId }) => void told.push(`${kind} ${connectionId}`),
          })),
        )
      const first = yield* openClient("c1")
      yield* going(first)
      yield* going(yield* openClient("c2", { earlier: first }))
      assert.deepStrictEqual(told, ["connection.disconnect c1", "connection.disconnect c2"])
    }),
  )

  test(
    "holds each room once, also one that the API puts it into meanwhile, and none that the API takes it out of",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const first = yield* openClient("c1", { grants: ["paid"] })
      for (const room of [OPEN, PLAIN]) yield* enterRoom(first.connection, room, "rule")
      yield* drop(first)
      let coming: LocalConnection | undefined
      const change = (work: (connection: LocalConnection) => Effect.Effect<unknown, unknown, Services>) =>
        Effect.suspend(() =>
          coming === undefined
            ? Effect.void
            : Effect.orDie(Effect.provideContext(Effect.asVoid(work(coming)), context)),
        )
      yield* openClient("c2", {
        grants: ["paid"],
        earlier: first,
        opened: (connection) => {
          coming = connection
        },
      }).pipe(
        Effect.updateService(ConnectionDirectory, (directory) => ({
          ...directory,
          register: (entry, replaced) =>
            Effect.tap(directory.register(entry, replaced), () => change((to) => enterRoom(to, PAID, "api"))),
        })),
        Effect.updateService(LocalRooms, (rooms) => ({
          ...rooms,
          hold: (name) =>
            // It waits for its turn, which is before the next room's.
            Effect.tap(rooms.hold(name), () =>
              name === OPEN
                ? Effect.forkDetach(
                    change((from) => exitRoom(from, PLAIN)),
                    { startImmediately: true },
                  )
                : Effect.void,
            ),
        })),
      )
      const { byName } = yield* LocalRooms
      assert.deepStrictEqual([byName.get(OPEN)?.holds, byName.get(PAID)?.holds], [1, 1])
      assert.isFalse(byName.has(PLAIN))
    }),
  )

  test(
    "has left the rooms that its new token does not grant, everywhere, and gets nothing of them",
    Effect.gen(function* () {
      const first = yield* openClient("c1", { grants: ["paid"] })
      yield* enterRoom(first.connection, OPEN, "rule")
      yield* enterRoom(first.connection, PAID, "claim")
      yield* drop(first)
      yield* say("paid", 1)
      yield* say("open", 2)
      const second = yield* openClient("c2", { earlier: first })
      assert.deepInclude(second.ready, { recovered: true, rooms: ["open"] })
      assert.deepStrictEqual(second.events, ["session:ready", "said 2"])
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      const { byName } = yield* LocalRooms
      assert.deepStrictEqual((yield* directory.connection("c2"))?.rooms, [OPEN])
      const session = (yield* sessions.read(second.connection.session?.id ?? ""))?.session
      assert.isFalse(session?.rooms.has(PAID))
      assert.isTrue(session?.rooms.has(OPEN))
      assert.isFalse(byName.has(PAID))
    }),
  )
})

describe("rooms that the connect hook adds", () => {
  test(
    "are entered as far as there may be so many, and the rest is not tried one by one",
    Effect.gen(function* () {
      const rooms = ["open", "nowhere", "plain", ...Array.from({ length: 1_000 }, () => "paid")]
      const { entries, layer } = capturedLogs()
      const client = yield* openClient("c1").pipe(
        Effect.updateService(Backend, (backend) => ({
          ...backend,
          hears: () => true,
          ask: () => Effect.succeed({ rooms }),
        })),
        Effect.provide(layer),
      )
      assert.deepStrictEqual(client.ready["rooms"], ["open", "plain"])
      assert.deepStrictEqual(
        entries.filter(({ level }) => level === "Warn").map(({ message }) => message.replace(" [object Object]", "")),
        ["connection.connect named rooms that no rule matches", "a connection is in at most 2 rooms, this one is in 2"],
      )
    }),
    { limits: { ...DEFAULT_LIMITS, roomsPerConnection: 2 } },
  )
})

/** Time passes, and the node looks after who is gone. */
const pass = (ms: number) => Effect.andThen(TestClock.adjust(ms), tendDepartures())

describe("presence, of who comes back", () => {
  test(
    "says nothing within the grace, nor where the drop was not seen; after the grace it says both",
    Effect.gen(function* () {
      const { listening, words } = yield* presence
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, OPEN, "rule")
        assert.deepStrictEqual(words.splice(0), ["room:joined open"])

        yield* drop(first)
        yield* pass(GRACE_MS - 1)
        const second = yield* openClient("c2", { earlier: first })
        yield* pass(GRACE_MS)
        assert.deepStrictEqual(words, [])

        const third = yield* openClient("c3", { earlier: second })
        yield* closeConnection({ connection: second.connection, reason: "session_taken", outcome: "taken" })
        yield* pass(GRACE_MS)
        assert.deepStrictEqual(words, [])

        yield* drop(third)
        yield* pass(GRACE_MS)
        assert.deepStrictEqual(words.splice(0), ["room:left open"])
        yield* openClient("c4", { earlier: third })
        assert.deepStrictEqual(words, ["room:joined open"])
      }).pipe(Effect.provideService(Engine, listening))
    }),
  )

  test(
    "says in the end that somebody left who came back within the grace and went again",
    Effect.gen(function* () {
      const { listening, words } = yield* presence
      yield* Effect.gen(function* () {
        const first = yield* openClient("c1")
        yield* enterRoom(first.connection, OPEN, "rule")
        yield* drop(first)
        const second = yield* openClient("c2", { earlier: first })
        yield* drop(second)
        yield* pass(GRACE_MS)
        assert.deepStrictEqual(words, ["room:joined open", "room:left open"])
        const directory = yield* ConnectionDirectory
        assert.strictEqual(yield* directory.memberCount(OPEN), 0)
      }).pipe(Effect.provideService(Engine, listening))
    }),
  )
})
