import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import type { LocalConnection } from "#application/local-connections.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { Settings } from "#application/ports/settings.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import type { Services } from "#application/services.ts"
import { refreshToken } from "#application/use-cases/refresh-token.ts"
import { tendConnections } from "#application/use-cases/tend-connections.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import type { Claims } from "#domain/user.ts"
import { connect, memoryNode } from "./node-fixture.ts"

const rules = compileRoomRules({
  rooms: [
    { match: "open", join: "anyone", publish: "members", presence: false, history: undefined },
    { match: "*", join: "token", publish: "members", presence: false, history: undefined },
  ],
  users: { history: undefined },
  everybody: { history: undefined },
})

/** Refreshes with a token that says this. */
const refresh = Effect.fnUntraced(function* (connection: LocalConnection, change: Partial<Claims> = {}) {
  const verifier = yield* TokenVerifier
  const claims: Claims = {
    userId: "ann",
    expiresAt: 5_000_000_000,
    issuedAt: 2_000,
    tokenId: "t2",
    rooms: [],
    publish: [],
    info: { name: "the new token's" },
    ...change,
  }
  return yield* refreshToken(connection, "a token").pipe(
    Effect.provideService(TokenVerifier, { ...verifier, verify: () => Effect.succeed(claims) }),
  )
})

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode({ settings: { rules } })))

const rooms = ["open", "a", "b"]
const claims = { rooms: ["a", "b"], info: { name: "Ann" } }

describe("a refreshed token", () => {
  test(
    "is told of at half of its own life where it lives shortly, however long its connection has been there",
    Effect.gen(function* () {
      const { connection, emitted } = yield* connect({ id: "a1", claims: { expiresAt: 60 } })
      for (let seconds = 30; seconds < 600; seconds += 30) {
        yield* TestClock.setTime(seconds * 1_000 - 1)
        yield* tendConnections()
        assert.strictEqual(emitted.length, seconds / 30 - 1)
        yield* TestClock.setTime(seconds * 1_000)
        yield* tendConnections()
        assert.strictEqual(emitted.length, seconds / 30)
        yield* refresh(connection, { expiresAt: seconds + 60 })
      }
    }),
  )

  test(
    "counts from then on; rooms that it does not grant are left, and what is shown of its user stays",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms, claims, session: true })
      connection.warnedOfExpiry = true
      const answer = yield* refresh(connection, { rooms: ["b"] })
      assert.deepStrictEqual(answer, { expiresAt: 5_000_000_000_000, rooms: ["open", "b"] })
      assert.isFalse(connection.warnedOfExpiry)
      assert.deepStrictEqual(connection.user.claims.info, { name: "Ann" })
      assert.strictEqual(connection.user.claims.tokenId, "t2")
      const directory = yield* ConnectionDirectory
      assert.deepStrictEqual<readonly string[] | undefined>((yield* directory.connection("a1"))?.rooms, ["open", "b"])
    }),
  )

  test(
    "of another user changes nothing",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms, claims })
      const before = connection.user
      assert.strictEqual((yield* Effect.flip(refresh(connection, { userId: "bob" })))._tag, "unauthorized")
      assert.strictEqual(connection.user, before)
      assert.deepStrictEqual(connection.applicationRooms, rooms)
    }),
  )

  test(
    "that is revoked changes nothing",
    Effect.gen(function* () {
      const { closings, connection } = yield* connect({ id: "a1", rooms, claims })
      const revocations = yield* Revocations
      yield* revocations.add({ tokenId: "t2", expiresAt: undefined })
      const before = connection.user
      assert.strictEqual((yield* Effect.flip(refresh(connection)))._tag, "revoked")
      assert.strictEqual(connection.user, before)
      assert.deepStrictEqual(connection.applicationRooms, rooms)
      assert.deepStrictEqual(closings, [])
    }),
  )

  test(
    "that is revoked while it is refreshed closes the connection",
    Effect.gen(function* () {
      const { closings, connection } = yield* connect({ id: "a1", rooms, claims })
      const revocations = yield* Revocations
      const directory = yield* ConnectionDirectory
      const revoke = revocations.add({ tokenId: "t2", expiresAt: undefined })
      const refusal = yield* Effect.flip(refresh(connection)).pipe(
        Effect.provideService(ConnectionDirectory, {
          ...directory,
          leave: (...args) => Effect.andThen(Effect.orDie(revoke), directory.leave(...args)),
        }),
      )
      assert.strictEqual(refusal._tag, "revoked")
      assert.deepStrictEqual(closings, [CLOSINGS.revoked])
    }),
  )

  test(
    "does not count while a room that it does not grant cannot be left; the same again leaves it",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms, claims })
      const before = connection.user
      const directory = yield* ConnectionDirectory
      const away = Effect.fail(new Refusal("engine_unavailable", "away"))
      const refusal = yield* Effect.flip(refresh(connection)).pipe(
        Effect.provideService(ConnectionDirectory, { ...directory, leave: () => away }),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.strictEqual(connection.user, before)
      assert.deepStrictEqual(connection.applicationRooms, rooms)
      assert.deepStrictEqual((yield* refresh(connection)).rooms, ["open"])
    }),
  )

  test(
    "does not outlive the rules: a room that no rule matches any more is left",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms: ["open"], claims })
      const settings = yield* Settings
      const none = compileRoomRules({ rooms: [], users: { history: undefined }, everybody: { history: undefined } })
      const { rooms: kept } = yield* refresh(connection).pipe(
        Effect.provideService(Settings, { ...settings, rules: none }),
      )
      assert.deepStrictEqual(kept, [])
    }),
  )
})
