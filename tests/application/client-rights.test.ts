import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { engineEvents } from "#application/engine-events.ts"
import { enterRoom } from "#application/enter-room.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { changeMembership } from "#application/use-cases/change-membership.ts"
import { dispatchClientEvent } from "#application/use-cases/dispatch-client-event.ts"
import { type ClientPublishCommand, publishFromClient } from "#application/use-cases/publish-from-client.ts"
import { readRoomAsMember } from "#application/use-cases/read-room-as-member.ts"
import { Declined } from "#domain/errors.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { MAX_PAGE } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules, type PublishRule } from "#domain/room-rules.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { memoryNode } from "./node-fixture.ts"
import { type OpenedClient, openClient } from "./opened-client.ts"

const history = { size: 10, ttlMs: 3_600_000 }
const rule = (match: string, publish: PublishRule) =>
  ({ match, join: "anyone", publish, presence: match === "members", history }) as const
const rules = compileRoomRules({
  rooms: [rule("members", "members"), rule("token", "token"), rule("backend", "backend"), rule("nobody", "nobody")],
  users: { history: undefined },
  everybody: { history: undefined },
})

const publish = ({ connection }: OpenedClient, room: string, more: Partial<ClientPublishCommand> = {}) =>
  publishFromClient({
    connection,
    room: room as RoomName,
    event: "said",
    data: 1,
    id: undefined,
    echo: true,
    ...more,
  })

const joined = Effect.fnUntraced(function* (id: string, userId: string, room = "members") {
  const client = yield* openClient(id, { claims: { userId, publish: ["token"] } })
  yield* enterRoom(client.connection, room as RoomName, "rule")
  return client
})

const started = Effect.gen(function* () {
  const context = yield* Effect.context<Services>()
  const engine = yield* Engine
  engine.start(engineEvents(context, () => 0))
})

const tagOf = <A, R>(work: Effect.Effect<A, { readonly _tag: string }, R>) =>
  Effect.map(Effect.flip(work), (e) => e._tag)

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode({ settings: { rules } })))

describe("a client that publishes", () => {
  it.effect("and wants no echo names one target, itself not counted", () =>
    Effect.gen(function* () {
      yield* started
      const ann = yield* joined("a1", "ann")
      const bob = yield* joined("b1", "bob")
      yield* publish(ann, "members", { echo: false })
      assert.notInclude(ann.events, "said 1")
      assert.include(bob.events, "said 1")
    }).pipe(Effect.provide(memoryNode({ settings: { rules, limits: { ...DEFAULT_LIMITS, targetsPerMessage: 1 } } }))),
  )

  test(
    "may where the room's rule lets it, and is told why where not",
    Effect.gen(function* () {
      const ann = yield* openClient("c1", { claims: { publish: [] } })
      assert.strictEqual(yield* tagOf(publish(ann, "members")), "not_a_member")
      assert.strictEqual(yield* tagOf(publish(ann, "token")), "not_allowed")
      assert.strictEqual(yield* tagOf(publish(ann, "nobody")), "not_allowed")
      assert.strictEqual(yield* tagOf(publish(ann, "other")), "unknown_room")
      const bob = yield* joined("c2", "bob")
      assert.isDefined((yield* publish(bob, "members")).offset)
      assert.isDefined((yield* publish(bob, "token")).offset)
    }),
  )

  test(
    "where the backend decides publishes after its yes, not before it, nor without it",
    Effect.gen(function* () {
      yield* started
      const backend = yield* Backend
      const ann = yield* joined("c1", "ann", "backend")
      const asked: unknown[] = []
      const answering = (answer: Effect.Effect<unknown, Declined>) => ({
        ...backend,
        ask: (kind: string, data: object) => {
          asked.push({ kind, ...data })
          return answer
        },
      })
      const no = Effect.fail(new Declined("quiet_hours", "not now"))
      const refused = yield* Effect.flip(publish(ann, "backend")).pipe(Effect.provideService(Backend, answering(no)))
      assert.deepInclude(refused, { _tag: "declined", code: "quiet_hours" })
      assert.deepStrictEqual(asked, [
        { kind: "room.publish", connectionId: "c1", userId: "ann", room: "backend", event: "said", payload: 1 },
      ])
      assert.deepStrictEqual(ann.events, ["session:ready"])
      yield* publish(ann, "backend").pipe(Effect.provideService(Backend, answering(Effect.succeed(null))))
      assert.deepStrictEqual(ann.events, ["session:ready", "said 1"])
    }),
  )

  test(
    "gets its own message too, unless it wants none",
    Effect.gen(function* () {
      yield* started
      const ann = yield* joined("c1", "ann")
      const bob = yield* joined("c2", "bob")
      yield* publish(ann, "members", { data: 1, echo: false })
      yield* publish(ann, "members", { data: 2 })
      const said = ({ events }: OpenedClient) => events.filter((event) => event.startsWith("said"))
      assert.deepStrictEqual(said(ann), ["said 2"])
      assert.deepStrictEqual(said(bob), ["said 1", "said 2"])
    }),
  )

  it.effect("to a room that keeps nothing is told no offset, and is counted as a client", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const plain = compileRoomRules({
        rooms: [{ ...rule("plain", "members"), history: undefined }],
        users: { history: undefined },
        everybody: { history: undefined },
      })
      const ann = yield* openClient("c1")
      const answer = yield* Effect.gen(function* () {
        yield* enterRoom(ann.connection, "plain" as RoomName, "rule")
        return yield* publish(ann, "plain")
      }).pipe(
        Effect.updateService(Settings, (settings) => ({ ...settings, rules: plain })),
        Effect.provide(metrics.layer),
      )
      assert.deepStrictEqual(Object.keys(answer), ["id"])
      assert.deepStrictEqual(metrics.calls.messageReceived, [["client"]])
    }).pipe(Effect.provide(memoryNode({ settings: { rules } })))
  })

  test(
    "once by an id publishes once; the same id of another user, however they are named, is another's",
    Effect.gen(function* () {
      const ann = yield* joined("c1", "a")
      const first = yield* publish(ann, "members", { id: "b:c" })
      assert.deepStrictEqual(yield* publish(ann, "members", { id: "b:c" }), first)
      assert.strictEqual(yield* tagOf(publish(ann, "members", { id: "b:c", data: 2 })), "idempotency_key_reused")
      const other = yield* joined("c2", "a:b")
      for (const id of ["c", "b:c"]) assert.notDeepEqual(yield* publish(other, "members", { id }), first)
    }),
  )
})

describe("a room, for who is in it", () => {
  test(
    "shows its members with a cursor where there are more, and none where there are not",
    Effect.gen(function* () {
      const { connection } = yield* joined("c1", "ann")
      const room = "members" as RoomName
      assert.notProperty(yield* readRoomAsMember.members(connection, room, undefined), "nextCursor")
      const directory = yield* ConnectionDirectory
      for (let i = 0; i < MAX_PAGE; i++)
        yield* directory.register({
          connectionId: `b${i}`,
          userId: "bob",
          node: "b",
          transport: "websocket",
          address: "192.0.2.1",
          rooms: [room],
          connectedAt: 0,
        })
      const first = yield* readRoomAsMember.members(connection, room, undefined)
      assert.deepStrictEqual([first.members.length, first.count], [MAX_PAGE, MAX_PAGE + 1])
      const second = yield* readRoomAsMember.members(connection, room, first.nextCursor)
      assert.deepStrictEqual(
        second.members.map(({ connectionId }) => connectionId),
        [`b${MAX_PAGE - 1}`],
      )
    }),
  )
})

describe("a room, for who is not in it", () => {
  test(
    "shows neither its members nor its history",
    Effect.gen(function* () {
      const ann = yield* joined("c1", "ann")
      const { connection } = yield* openClient("c2", { claims: { userId: "bob" } })
      const room = "members" as RoomName
      assert.strictEqual(yield* tagOf(readRoomAsMember.members(connection, room, undefined)), "not_a_member")
      assert.strictEqual(yield* tagOf(readRoomAsMember.history(connection, room, undefined, undefined)), "not_a_member")
      assert.strictEqual((yield* readRoomAsMember.members(ann.connection, room, undefined)).count, 1)
    }),
  )

  test(
    "tells its members who came, and not the one who came",
    Effect.gen(function* () {
      yield* started
      const ann = yield* joined("c1", "ann")
      const bob = yield* joined("c2", "bob")
      assert.deepStrictEqual(ann.events.slice(1), ['room:joined {"room":"members","userId":"bob","connectionId":"c2"}'])
      assert.deepStrictEqual(bob.events.slice(1), [])
    }),
  )

  test(
    "cannot be entered on anybody's behalf where no rule matches it",
    Effect.gen(function* () {
      yield* openClient("c1")
      const join = changeMembership({ change: "join", of: { connectionId: "c1" }, room: "other" as RoomName })
      assert.strictEqual(yield* tagOf(join), "unknown_room")
    }),
  )
})

describe("an application's event", () => {
  test(
    "that a rule forwards waits for its answer as long as the rule says",
    Effect.gen(function* () {
      const { connection } = yield* openClient("c1")
      const backend = yield* Backend
      const waits: number[] = []
      const answer = yield* dispatchClientEvent(connection, "order.place", 1).pipe(
        Effect.updateService(Settings, (settings) => ({
          ...settings,
          eventRuleOf: () => ({ match: "order.*", forward: "rpc", timeoutMs: 1_234 }) as const,
        })),
        Effect.provideService(Backend, {
          ...backend,
          ask: (_kind, _data, timeoutMs) => {
            waits.push(timeoutMs)
            return Effect.succeed("placed")
          },
        }),
      )
      assert.deepStrictEqual([answer, waits], ["placed", [1_234]])
    }),
  )

  test(
    "is refused where its name is the gateway's or none, its data is none, or nothing takes it",
    Effect.gen(function* () {
      const { connection } = yield* openClient("c1")
      const tags = (event: string, data: unknown) => tagOf(dispatchClientEvent(connection, event, data))
      assert.strictEqual(yield* tags("room:nothing", 1), "reserved_event")
      assert.strictEqual(yield* tags("a*", 1), "invalid_request")
      assert.strictEqual(yield* tags("order.place", new Uint8Array(1)), "binary_not_supported")
      assert.strictEqual(yield* tags("order.place", "x".repeat(102_400)), "payload_too_large")
      assert.strictEqual(yield* tags("order.place", 1), "unknown_event")
    }),
  )
})
