import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { type Revocation, Revocations } from "#application/ports/revocations.ts"
import type { Claims } from "#domain/user.ts"

const claims = (overrides: Partial<Claims> = {}): Claims => ({
  userId: "ana",
  expiresAt: 4_000_000_000,
  issuedAt: 1_000,
  tokenId: undefined,
  rooms: [],
  publish: [],
  info: undefined,
  ...overrides,
})

const HOUR_MS = 3_600_000

/**
 * What every Revocations does, with settings that allow tokens of `lifetimeMs`. The layer begins empty each time that it
 * is built; `advance` lets its time pass.
 */
export const revocationsContract = (
  name: string,
  layer: Layer.Layer<Revocations>,
  lifetimeMs: number,
  advance: (ms: number) => Effect.Effect<void>,
): void => {
  const test = <E>(behaviour: string, body: (revocations: Revocations["Service"]) => Effect.Effect<void, E>): void =>
    it.live(behaviour, () => Effect.flatMap(Revocations, body).pipe(Effect.provide(layer)))

  describe(`${name}: revoking tokens`, () => {
    test("revokes a user's tokens from before, and those that do not say when they were issued", (revocations) =>
      Effect.gen(function* () {
        expect(yield* revocations.isRevoked(claims())).toBe(false)
        yield* revocations.add({ userId: "ana", issuedBefore: 1_000 })
        expect(yield* revocations.isRevoked(claims({ issuedAt: 999 }))).toBe(true)
        expect(yield* revocations.isRevoked(claims({ issuedAt: undefined }))).toBe(true)
        expect(yield* revocations.isRevoked(claims({ issuedAt: 1_000 }))).toBe(false)
        expect(yield* revocations.isRevoked(claims({ userId: "ben", issuedAt: 999 }))).toBe(false)
      }))

    test("revokes the one token that it names", (revocations) =>
      Effect.gen(function* () {
        yield* revocations.add({ tokenId: "t1", expiresAt: undefined })
        expect(yield* revocations.isRevoked(claims({ tokenId: "t1" }))).toBe(true)
        expect(yield* revocations.isRevoked(claims({ tokenId: "t2" }))).toBe(false)
        expect(yield* revocations.isRevoked(claims())).toBe(false)
      }))

    test("does not take a token's id for a user's, nor either for a name of its own", (revocations) =>
      Effect.gen(function* () {
        yield* revocations.add({ tokenId: "ana", expiresAt: undefined })
        yield* revocations.add({ userId: "__proto__", issuedBefore: 5_000 })
        expect(yield* revocations.isRevoked(claims())).toBe(false)
        expect(yield* revocations.isRevoked(claims({ userId: "ben", tokenId: "__proto__" }))).toBe(false)
        expect(yield* revocations.isRevoked(claims({ userId: "__proto__" }))).toBe(true)
      }))

    test("holds a user to the latest of several revocations, whatever their order", (revocations) =>
      Effect.gen(function* () {
        yield* revocations.add({ userId: "ana", issuedBefore: 2_000 })
        yield* revocations.add({ userId: "ana", issuedBefore: 500 })
        expect(yield* revocations.isRevoked(claims({ issuedAt: 1_999 }))).toBe(true)
        expect(yield* revocations.isRevoked(claims({ issuedAt: 2_000 }))).toBe(false)
        yield* revocations.add({ userId: "ben", issuedBefore: 500 })
        yield* revocations.add({ userId: "ben", issuedBefore: 2_000 })
        expect(yield* revocations.isRevoked(claims({ userId: "ben", issuedAt: 1_999 }))).toBe(true)
        expect(yield* revocations.isRevoked(claims({ userId: "ben", issuedAt: 2_000 }))).toBe(false)
      }))

    test("lists what was revoked, each once, in an order that stays", (revocations) =>
      Effect.gen(function* () {
        const added: Revocation[] = []
        for (let i = 0; i < 7; i++) added.push(yield* revocations.add({ userId: `u${i}`, issuedBefore: i }))
        added.push(yield* revocations.add({ tokenId: "t1", expiresAt: 4_000_000_000 }))
        added.push(yield* revocations.add({ tokenId: "t2", expiresAt: undefined }))
        expect(new Set(added.map((one) => one.id)).size).toBe(9)
        const byId = (all: readonly Revocation[]) => all.toSorted((a, b) => (a.id < b.id ? -1 : 1))
        const whole = yield* revocations.list({ limit: 100, cursor: undefined })
        expect(byId(whole.items)).toEqual(byId(added))
        expect(whole.nextCursor).toBeUndefined()
        for (const limit of [1, 4, 9]) {
          const paged: Revocation[] = []
          let cursor: string | undefined
          do {
            const page: typeof whole = yield* revocations.list({ limit, cursor })
            expect(page.items.length).toBeLessThanOrEqual(limit)
            paged.push(...page.items)
            cursor = page.nextCursor
          } while (cursor !== undefined && paged.length < 20)
          expect(paged).toEqual(whole.items)
        }
        for (const cursor of ["", "?", "não"]) expect(yield* revocations.list({ limit: 100, cursor })).toEqual(whole)
      }))

    test("lifts the one that is removed, and says whether there was one", (revocations) =>
      Effect.gen(function* () {
        const earlier = yield* revocations.add({ userId: "ana", issuedBefore: 1_000 })
        const later = yield* revocations.add({ userId: "ana", issuedBefore: 2_000 })
        expect(yield* revocations.remove(later.id)).toBe(true)
        expect(yield* revocations.remove(later.id)).toBe(false)
        expect(yield* revocations.isRevoked(claims({ issuedAt: 1_500 }))).toBe(false)
        expect(yield* revocations.isRevoked(claims({ issuedAt: 500 }))).toBe(true)
        expect(yield* revocations.remove(earlier.id)).toBe(true)
        expect(yield* revocations.isRevoked(claims({ issuedAt: 500 }))).toBe(false)
        expect((yield* revocations.list({ limit: 10, cursor: undefined })).items).toEqual([])
        expect(yield* revocations.remove("no-such-id")).toBe(false)
      }))

    test("keeps a user's revocation for as long as a token of then can be valid", (revocations) =>
      Effect.gen(function* () {
        const { id } = yield* revocations.add({ userId: "ana", issuedBefore: 1_000 })
        yield* advance(lifetimeMs)
        expect(yield* revocations.isRevoked(claims({ issuedAt: 999 }))).toBe(true)
        yield* advance(HOUR_MS)
        expect((yield* revocations.list({ limit: 10, cursor: undefined })).items).toEqual([])
        expect(yield* revocations.remove(id)).toBe(false)
      }))

    test("keeps one that reaches into the future until the last token of that time has ended", (revocations) =>
      Effect.gen(function* () {
        const { createdAt } = yield* revocations.add({ tokenId: "now", expiresAt: undefined })
        const issuedBefore = Math.floor(createdAt / 1000) + 7_200
        yield* revocations.add({ userId: "ana", issuedBefore })
        yield* advance(lifetimeMs + 2 * HOUR_MS - 1_000)
        expect(yield* revocations.isRevoked(claims({ issuedAt: issuedBefore - 1 }))).toBe(true)
      }))

    test("keeps a token's revocation until the token has ended, clock tolerance included", (revocations) =>
      Effect.gen(function* () {
        const { createdAt } = yield* revocations.add({ tokenId: "unknown-end", expiresAt: undefined })
        const expiresAt = Math.ceil(createdAt / 1000) + 60
        yield* revocations.add({ tokenId: "t1", expiresAt })
        yield* advance(60_000 + 30_000)
        expect(yield* revocations.isRevoked(claims({ tokenId: "t1" }))).toBe(true)
        yield* advance(HOUR_MS)
        const listed = yield* revocations.list({ limit: 10, cursor: undefined })
        expect(listed.items).toMatchObject([{ tokenId: "unknown-end" }])
        yield* advance(lifetimeMs - HOUR_MS - 60_000)
        expect(yield* revocations.isRevoked(claims({ tokenId: "unknown-end" }))).toBe(true)
      }))
  })
}
