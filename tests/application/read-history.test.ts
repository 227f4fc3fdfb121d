import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { describe } from "vitest"
import { Engine, type Published } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { roomHistory } from "#application/room-history.ts"
import { readHistory } from "#application/use-cases/read-history.ts"
import { type Message, messageBytes } from "#domain/message.ts"
import { formatOffset } from "#domain/offset.ts"
import { MAX_PAGE } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"
import { memoryNode } from "./node-fixture.ts"

const LOBBY = "lobby" as RoomName
const SIZE = 8
const HISTORY = { size: SIZE, ttlMs: 3_600_000 }
const ANSWER_BYTES = 512_000

const messageOf = (id: string, data: string, expiresAt?: number): Message => ({
  id,
  event: "said",
  data,
  ts: 0,
  sender: undefined,
  rooms: [LOBBY],
  except: undefined,
  volatile: false,
  expiresAt,
})

const publish = (message: Message) =>
  Effect.flatMap(Engine, (engine) => engine.publish({ message, histories: [HISTORY], idempotency: undefined }))

const say = (...ids: readonly string[]) =>
  Effect.forEach(ids, (id) =>
    Effect.map(publish(messageOf(id, `"${id}"`)), ({ epoch, offset }) => formatOffset(epoch, offset)),
  )

const read = (since?: string, limit = 100) =>
  Effect.map(readHistory({ room: LOBBY, since, limit }), ({ complete, messages }) => ({
    complete,
    ids: messages.map(({ id }) => id),
  }))

describe("a room's history", () => {
  it.effect("gives the last messages, oldest first, each with its offset", () =>
    Effect.gen(function* () {
      const offsets = yield* say("1", "2", "3")
      const { complete, messages } = yield* readHistory({ room: LOBBY, since: undefined, limit: 2 })
      assert.deepStrictEqual(
        messages.map(({ data, offset }) => [data, offset]),
        [
          ["2", offsets[1]],
          ["3", offsets[2]],
        ],
      )
      assert.isTrue(complete)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("gives a message that is an answer of its own, and says that what came before it is left out", () =>
    Effect.gen(function* () {
      yield* say("1")
      yield* publish(messageOf("huge", JSON.stringify("x".repeat(ANSWER_BYTES))))
      assert.deepStrictEqual(yield* read(), { complete: false, ids: ["huge"] })
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("is its last hundred to a member who does not say how many, and all after an offset that it names", () =>
    Effect.gen(function* () {
      const long = { size: 200, ttlMs: 3_600_000 }
      const engine = yield* Engine
      const said = Array.from({ length: 150 }, (_, i) => `m${i}`)
      const offsets: string[] = []
      for (const id of said) {
        const { epoch, offset } = yield* engine.publish({
          message: messageOf(id, "0"),
          histories: [long],
          idempotency: undefined,
        })
        offsets.push(formatOffset(epoch, offset))
      }
      const ids = (since: string | undefined) =>
        Effect.map(roomHistory({ room: LOBBY, since, limit: undefined, upTo: undefined }), ({ messages }) =>
          messages.map(({ id }) => id),
        )
      assert.deepStrictEqual(yield* ids(undefined), said.slice(50))
      assert.deepStrictEqual(yield* ids(offsets[9]), said.slice(10))
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("costs two reads at most, however far back it is asked for, and is the newest of what was said since", () =>
    Effect.gen(function* () {
      const long = { size: 3_000, ttlMs: 3_600_000 }
      const engine = yield* Engine
      const log = yield* MessageLog
      let reads = 0
      const counted: MessageLog["Service"] = {
        ...log,
        read: (...args) => Effect.tap(log.read(...args), () => Effect.sync(() => reads++)),
        last: (...args) => Effect.tap(log.last(...args), () => Effect.sync(() => reads++)),
      }
      const offsets: Published[] = []
      for (let i = 0; i < 2_600; i++)
        offsets.push(
          yield* engine.publish({ message: messageOf(`m${i}`, "0"), histories: [long], idempotency: undefined }),
        )
      const count = offsets.length
      for (const missed of [0, 1, 499, 500, 501, 999, 1_000, 1_001, 1_499, 1_501, count - 1])
        for (const limit of [1, 500, 1_000])
          for (const later of [0, 1, 700]) {
            const since = offsets[count - missed - 1]
            const upTo = offsets[count - later - 1]
            if (since === undefined || upTo === undefined) throw new Error("no such offset")
            reads = 0
            const { complete, messages } = yield* Effect.provideService(
              roomHistory({ room: LOBBY, since: formatOffset(since.epoch, since.offset), limit, upTo: upTo.offset }),
              MessageLog,
              counted,
            )
            const owed = Array.from({ length: Math.max(0, missed - later) }, (_, i) => `m${count - missed + i}`)
            const what = `${missed} missed, ${later} later, at most ${limit}`
            assert.deepStrictEqual(
              messages.map(({ id }) => id),
              owed.slice(-limit),
              what,
            )
            assert.strictEqual(complete, owed.length <= limit, what)
            assert.isAtMost(reads, 2, what)
          }
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("is empty and complete where nothing was ever said", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read(), { complete: true, ids: [] })
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("says that some are missing after an offset of another epoch, and gives what is kept", () =>
    Effect.gen(function* () {
      yield* say("1", "2")
      assert.deepStrictEqual(yield* read("anotherEpoch.1"), { complete: false, ids: ["1", "2"] })
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("says so after it was cleared too, but not to who had everything", () =>
    Effect.gen(function* () {
      const [first, , last] = yield* say("1", "2", "3")
      const log = yield* MessageLog
      yield* log.clear(LOBBY)
      assert.deepStrictEqual(yield* read(first), { complete: false, ids: [] })
      assert.deepStrictEqual(yield* read(last), { complete: true, ids: [] })
      yield* say("4")
      assert.deepStrictEqual(yield* read(first), { complete: false, ids: ["4"] })
      assert.deepStrictEqual(yield* read(last), { complete: true, ids: ["4"] })
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("leaves out what its sender wanted forgotten by now, and misses nothing by it", () =>
    Effect.gen(function* () {
      const [since] = yield* say("1")
      yield* publish(messageOf("brief", "0", 5_000))
      yield* say("2")
      assert.deepStrictEqual(yield* read(since), { complete: true, ids: ["brief", "2"] })
      yield* TestClock.setTime(5_000)
      assert.deepStrictEqual(yield* read(since), { complete: true, ids: ["2"] })
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("says so when what came after an offset has grown too old to be kept", () =>
    Effect.gen(function* () {
      const [first] = yield* say("1", "2")
      yield* TestClock.adjust(HISTORY.ttlMs + 1)
      assert.deepStrictEqual(yield* read(first), { complete: false, ids: [] })
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("refuses an offset that is none, and a limit out of bounds, naming them", () =>
    Effect.gen(function* () {
      for (const since of ["", "5", "epoch.", "epoch.x", "epoch.99999999999999999", "a b.1"])
        assert.strictEqual((yield* Effect.flip(read(since))).faults?.[0]?.pointer, "/since")
      for (const limit of [0, MAX_PAGE + 1, 1.5])
        assert.strictEqual((yield* Effect.flip(read(undefined, limit))).faults?.[0]?.pointer, "/limit")
    }).pipe(Effect.provide(memoryNode())),
  )

  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ does: fc.constant("say" as const), bytes: fc.constantFrom(2, 2, 90_000, 300_000) }),
    },
    { weight: 1, arbitrary: fc.record({ does: fc.constant("clear" as const) }) },
  )
  const scenario = fc.record({
    steps: fc.array(step, { maxLength: 20 }),
    since: fc.option(fc.nat({ max: 19 }), { nil: undefined }),
    limit: fc.integer({ min: 1, max: 10 }),
  })

  it("gives the newest kept messages that fit, and calls them complete exactly when none is missing", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ limit, since, steps }) => {
        const checked = Effect.gen(function* () {
          const log = yield* MessageLog
          const said: { message: Message; offset: string }[] = []
          let cleared = 0
          for (const [i, what] of steps.entries()) {
            if (what.does === "clear") {
              yield* log.clear(LOBBY)
              cleared = said.length
              continue
            }
            const message = messageOf(String(i), JSON.stringify("x".repeat(what.bytes)))
            const { epoch, offset } = yield* publish(message)
            said.push({ message, offset: formatOffset(epoch, offset) })
          }
          const from = since === undefined ? undefined : said[since]
          const owed = from === undefined ? said : said.slice(said.indexOf(from) + 1)
          const kept = said.slice(Math.max(cleared, said.length - SIZE))
          const fitting: string[] = []
          let bytes = 0
          let cut = false
          for (const { message } of kept
            .filter((one) => owed.includes(one))
            .toReversed()
            .slice(0, limit)) {
            bytes += messageBytes(message)
            if (bytes > ANSWER_BYTES && fitting.length > 0) {
              cut = true
              break
            }
            fitting.unshift(message.id)
          }
          const answer = yield* read(from?.offset, limit)
          assert.deepStrictEqual(answer.ids, fitting)
          assert.strictEqual(answer.complete, from === undefined ? !cut : fitting.length === owed.length)
        })
        await Effect.runPromise(Effect.scoped(Effect.provide(checked, memoryNode())))
      }),
      { numRuns: 200 },
    )
  })
})
