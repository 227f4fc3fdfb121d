import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { composeMessage } from "#application/compose-message.ts"
import type { PushInput } from "#application/ports/handler-actions.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { memoryNode } from "./node-fixture.ts"

const NOW_MS = 5_000
const history = { size: 10, ttlMs: 1_000 }
const rules = compileRoomRules({
  rooms: [
    { match: "kept:*", join: "anyone", publish: "members", presence: false, history },
    { match: "plain:*", join: "anyone", publish: "members", presence: false, history: undefined },
  ],
  users: { history: { size: 1, ttlMs: 1 } },
  everybody: { history: undefined },
})
const limits = { ...DEFAULT_LIMITS, payloadBytes: 10, targetsPerMessage: 3 }

const compose = (push: Partial<PushInput>, sender?: string) =>
  composeMessage({ to: { rooms: ["kept:a"] }, event: "said", ...push }, NOW_MS, sender).pipe(
    Effect.provide(memoryNode({ settings: { limits, rules } })),
  )

/** Why it is refused, and where. */
const refused = (push: Partial<PushInput>) =>
  Effect.map(Effect.flip(compose(push)), ({ _tag, faults }) => [_tag, ...(faults ?? []).map(({ pointer }) => pointer)])

describe("a push", () => {
  it.effect("becomes a message of its own fields only, with what each of its rooms keeps", () =>
    Effect.gen(function* () {
      const stray = { idempotencyKey: "secret", sender: "root", ts: 1, id: "mine" }
      const to = { rooms: ["plain:b", "kept:a", "plain:b"], users: ["ann"] }
      const { histories, message } = yield* compose({ ...stray, to, data: { a: 1 }, ttlMs: 300 }, "bob")
      assert.notStrictEqual(message.id, "mine")
      assert.deepStrictEqual({ ...message, id: "" }, {
        id: "",
        event: "said",
        data: '{"a":1}',
        ts: NOW_MS,
        sender: "bob",
        rooms: ["plain:b", "kept:a", "$user:ann"],
        except: undefined,
        volatile: false,
        expiresAt: NOW_MS + 300,
      } as unknown as typeof message)
      assert.deepStrictEqual(histories, [undefined, history, { size: 1, ttlMs: 1 }])
    }),
  )

  it.effect("without data carries null, and lasts as long as its room keeps it", () =>
    Effect.gen(function* () {
      const { message } = yield* compose({ volatile: true })
      assert.deepInclude(message, { data: "null", expiresAt: undefined, volatile: true })
    }),
  )

  it.effect("is refused where its event is none, the gateway's, or Socket.IO's", () =>
    Effect.gen(function* () {
      for (const event of ["", "a*", "x".repeat(201)])
        assert.deepStrictEqual(yield* refused({ event }), ["invalid_request", "/event"])
      for (const event of ["room:join", "session:closing", "disconnect", "newListener"])
        assert.deepStrictEqual(yield* refused({ event }), ["reserved_event", "/event"])
    }),
  )

  it.effect("is refused where its target is none, names too many, or a room that no rule matches", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refused({ to: {} }), ["invalid_request", "/to"])
      assert.deepStrictEqual(yield* refused({ to: { rooms: ["kept:a", "$all"] } }), ["invalid_request", "/to/rooms/1"])
      assert.deepStrictEqual(yield* refused({ to: { users: ["a", "b", "c", "d"] } }), ["invalid_request", "/to"])
      assert.deepStrictEqual(yield* refused({ to: { rooms: ["kept:a", "other"] } }), ["unknown_room", "/to/rooms/1"])
    }),
  )

  it.effect("is refused where its ttl is none", () =>
    Effect.gen(function* () {
      for (const ttlMs of [0, -1, 1.5, Number.NaN, 366 * 24 * 3_600_000])
        assert.deepStrictEqual(yield* refused({ ttlMs }), ["invalid_request", "/ttlMs"])
    }),
  )

  it.effect("is refused where its data is too large, or no JSON", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* compose({ data: "x".repeat(8) })).message.data.length, 10)
      assert.deepStrictEqual(yield* refused({ data: "x".repeat(9) }), ["payload_too_large"])
      assert.deepStrictEqual(yield* refused({ data: { a: 1n } }), ["invalid_request", "/data/a"])
    }),
  )
})
