import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import type { NodeCommand } from "#application/ports/node-commands.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { liftRevocation } from "#application/use-cases/lift-revocation.ts"
import { listRevocations } from "#application/use-cases/list-revocations.ts"
import { lookUpConnection } from "#application/use-cases/look-up-connection.ts"
import { revokeTokens } from "#application/use-cases/revoke-tokens.ts"
import { Refusal } from "#domain/errors.ts"
import { type Client, connect, memoryNode } from "./node-fixture.ts"

const NOW_SECONDS = 1_000
const atNow = TestClock.setTime(NOW_SECONDS * 1000)
const codes = ({ closings }: Client) => closings.map(({ code, reconnect }) => ({ code, reconnect }))
const REVOKED = [{ code: "revoked", reconnect: false }]

describe("revoking tokens", () => {
  it.effect("closes those of the user's connections whose tokens are older, or do not say how old they are", () =>
    Effect.gen(function* () {
      yield* atNow
      const issued = (issuedAt: number | undefined) => ({ claims: { issuedAt } })
      const old = yield* connect({ id: "a1", ...issued(NOW_SECONDS - 100) })
      const ageless = yield* connect({ id: "a2", ...issued(undefined) })
      const young = yield* connect({ id: "a3", ...issued(NOW_SECONDS - 10) })
      const other = yield* connect({ id: "b1", userId: "bob", ...issued(NOW_SECONDS - 100) })
      const { disconnected } = yield* revokeTokens({ userId: "ann", issuedBefore: NOW_SECONDS - 10 })
      assert.strictEqual(disconnected, 2)
      assert.deepStrictEqual([old, ageless, young, other].map(codes), [REVOKED, REVOKED, [], []])
      assert.strictEqual((yield* Effect.flip(lookUpConnection("a1")))._tag, "not_found")
      assert.strictEqual((yield* lookUpConnection("a3")).connectionId, "a3")
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("closes every connection of one token, by its jti, and no other", () =>
    Effect.gen(function* () {
      yield* atNow
      const first = yield* connect({ id: "a1", claims: { tokenId: "t1" } })
      const second = yield* connect({ id: "a2", claims: { tokenId: "t1" } })
      const other = yield* connect({ id: "a3", claims: { tokenId: "t2" } })
      const { disconnected } = yield* revokeTokens({ tokenId: "t1", expiresAt: undefined })
      assert.strictEqual(disconnected, 2)
      assert.deepStrictEqual([first, second, other].map(codes), [REVOKED, REVOKED, []])
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("is in force before any node is told, and tells every node", () => {
    const told: { command: NodeCommand; inForce: number }[] = []
    let countInForce: Effect.Effect<number> = Effect.succeed(-1)
    const others = {
      second: (command: NodeCommand) =>
        Effect.map(countInForce, (inForce) => {
          told.push({ command, inForce })
          return { kind: "closed" as const, count: 3 }
        }),
    }
    return Effect.gen(function* () {
      yield* atNow
      const revocations = yield* Revocations
      countInForce = Effect.map(
        Effect.orDie(revocations.list({ limit: 10, cursor: undefined })),
        ({ items }) => items.length,
      )
      yield* connect({ id: "a1", claims: { tokenId: "t1" } })
      const revocation = { tokenId: "t1", expiresAt: undefined }
      assert.strictEqual((yield* revokeTokens(revocation)).disconnected, 4)
      assert.deepStrictEqual(told, [{ command: { kind: "revoke", revocation }, inForce: 1 }])
    }).pipe(Effect.provide(memoryNode({ others })))
  })

  it.effect("fails where a node cannot be told, and stands all the same", () => {
    const others = { dead: () => Effect.fail(new Refusal("engine_unavailable", "gone")) }
    return Effect.gen(function* () {
      yield* atNow
      const refusal = yield* Effect.flip(revokeTokens({ tokenId: "t1", expiresAt: undefined }))
      assert.strictEqual(refusal._tag, "engine_unavailable")
      const { items } = yield* listRevocations({ limit: 10, cursor: undefined })
      assert.strictEqual(items.length, 1)
    }).pipe(Effect.provide(memoryNode({ others })))
  })

  it.effect("refuses a time to come, for it would revoke tokens that nobody has issued yet", () =>
    Effect.gen(function* () {
      yield* atNow
      const refusal = yield* Effect.flip(revokeTokens({ userId: "ann", issuedBefore: NOW_SECONDS + 3_600 }))
      assert.strictEqual(refusal.faults?.[0]?.pointer, "/issuedBefore")
      const { items } = yield* listRevocations({ limit: 10, cursor: undefined })
      assert.deepStrictEqual(items, [])
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("can be lifted, once", () =>
    Effect.gen(function* () {
      yield* atNow
      const { id } = yield* revokeTokens({ userId: "ann", issuedBefore: NOW_SECONDS })
      yield* liftRevocation(id)
      assert.strictEqual((yield* Effect.flip(liftRevocation(id)))._tag, "not_found")
    }).pipe(Effect.provide(memoryNode())),
  )
})
