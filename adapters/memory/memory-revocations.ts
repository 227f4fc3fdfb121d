import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { decodeNumber, encodeCursor } from "#application/page-cursor.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { type Revocation, Revocations } from "#application/ports/revocations.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"
import { type Issued, isRevokedBy, keptUntil, MAX_REVOCATIONS, subjectOf } from "#domain/revocation.ts"

const SWEEP_PAUSE_MS = 1_000

interface Kept {
  readonly revocation: Revocation
  readonly number: number
  /** ms since 1970 */
  readonly until: number
}

export const memoryRevocations: Layer.Layer<Revocations, never, Metrics | Settings> = Layer.effect(
  Revocations,
  Effect.gen(function* () {
    const { maxTokenLifetimeMs } = yield* Settings
    const metrics = yield* Metrics
    const clock = yield* Clock.Clock
    /** In the order in which they were made. */
    const byId = new Map<string, Kept>()
    const bySubject = new Map<string, Set<Kept>>()
    let newest = 0
    let sweptAt = 0

    const forget = (kept: Kept): void => {
      byId.delete(kept.revocation.id)
      const key = subjectOf(kept.revocation)
      const others = bySubject.get(key)
      if (others?.delete(kept) && others.size === 0) bySubject.delete(key)
    }
    const sweep = (): void => {
      sweptAt = clock.currentTimeMillisUnsafe()
      for (const kept of byId.values()) if (kept.until <= sweptAt) forget(kept)
    }
    const covers = (key: string, claims: Issued, now: number): boolean => {
      for (const kept of bySubject.get(key) ?? [])
        if (kept.until > now && isRevokedBy(claims, kept.revocation)) return true
      return false
    }

    metrics.observe("revocations", () => byId.size)
    yield* Effect.sync(sweep).pipe(Effect.repeat(Schedule.spaced("1 minute")), Effect.forkScoped)

    return {
      add: (input) =>
        Effect.suspend(() => {
          const now = clock.currentTimeMillisUnsafe()
          if (byId.size >= MAX_REVOCATIONS && now - sweptAt >= SWEEP_PAUSE_MS) sweep()
          if (byId.size >= MAX_REVOCATIONS) {
            metrics.limitHit("revocations")
            return Effect.fail(
              new Refusal("overloaded", `at most ${MAX_REVOCATIONS} revocations are kept at once`, {
                retryAfterMs: 60_000,
              }),
            )
          }
          const id = randomBytes(16).toString("base64url")
          const revocation: Revocation =
            "userId" in input
              ? { id, createdAt: now, userId: input.userId, issuedBefore: input.issuedBefore }
              : { id, createdAt: now, tokenId: input.tokenId, expiresAt: input.expiresAt }
          const kept: Kept = { revocation, number: ++newest, until: keptUntil(input, now, maxTokenLifetimeMs) }
          byId.set(id, kept)
          const key = subjectOf(input)
          const others = bySubject.get(key)
          if (others === undefined) bySubject.set(key, new Set([kept]))
          else others.add(kept)
          return Effect.succeed(revocation)
        }),
      list: ({ cursor, limit }) =>
        Effect.sync(() => {
          const now = clock.currentTimeMillisUnsafe()
          const after = decodeNumber("revocations", cursor, newest)
          const items: Revocation[] = []
          let last = after
          for (const { number, revocation, until } of byId.values()) {
            if (number <= after || until <= now) continue
            if (items.length === limit) return { items, nextCursor: encodeCursor("revocations", last) }
            items.push(revocation)
            last = number
          }
          return { items, nextCursor: undefined }
        }),
      remove: (id) =>
        Effect.sync(() => {
          const kept = byId.get(id)
          if (kept === undefined) return false
          forget(kept)
          return kept.until > clock.currentTimeMillisUnsafe()
        }),
      isRevoked: (claims) =>
        Effect.sync(() => {
          const now = clock.currentTimeMillisUnsafe()
          const { tokenId, userId } = claims
          if (tokenId !== undefined && covers(subjectOf({ tokenId }), claims, now)) return true
          return covers(subjectOf({ userId, issuedBefore: 0 }), claims, now)
        }),
    }
  }),
)
