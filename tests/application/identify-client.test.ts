import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { identifyClient } from "#application/identify-client.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Services } from "#application/services.ts"
import { connect, memoryNode, SESSION_ID } from "./node-fixture.ts"

const LIFETIME_MS = 3_600_000
const NOW_MS = 1_000_500

const test = (name: string, work: Effect.Effect<void, unknown, Services>, anonymous = true): void =>
  it.effect(name, () => Effect.provide(work, memoryNode({ settings: { anonymous, maxTokenLifetimeMs: LIFETIME_MS } })))

const identify = (sessionId?: unknown) => identifyClient({ sessionId, token: undefined }, NOW_MS)

const sessionOf = Effect.fnUntraced(function* (userId: string) {
  const sessions = yield* SessionStore
  yield* sessions.open({
    id: SESSION_ID,
    owner: 1,
    userId,
    node: "a",
    connectionIds: ["c1"],
    rooms: new Map(),
    info: undefined,
  })
})

describe("a client without a token", () => {
  test(
    "is nobody where the configuration does not allow it",
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(identify()))._tag, "unauthorized")
    }),
    false,
  )

  test(
    "is a nameless user of its own, for as long as a token may live, who is granted nothing",
    Effect.gen(function* () {
      const claims = yield* identify()
      assert.match(claims.userId, /^anonymous:.{10,}$/)
      assert.deepInclude(claims, { issuedAt: 1_000, expiresAt: 4_600, rooms: [], publish: [], info: undefined })
      assert.notStrictEqual((yield* identify()).userId, claims.userId)
    }),
  )

  test(
    "stays who it was where it sends its session back, and looks for none by what cannot be one",
    Effect.gen(function* () {
      yield* sessionOf("anonymous:me")
      assert.strictEqual((yield* identify(SESSION_ID)).userId, "anonymous:me")
      const sessions = yield* SessionStore
      for (const sessionId of [undefined, 7, "short", { id: SESSION_ID }])
        assert.notStrictEqual(
          (yield* identify(sessionId).pipe(
            Effect.provideService(SessionStore, { ...sessions, read: () => sessions.read(SESSION_ID) }),
          )).userId,
          "anonymous:me",
        )
    }),
  )

  test(
    "does not become a named user by that user's session",
    Effect.gen(function* () {
      yield* connect({ id: "a1", session: true })
      assert.match((yield* identify(SESSION_ID)).userId, /^anonymous:/)
    }),
  )
})
