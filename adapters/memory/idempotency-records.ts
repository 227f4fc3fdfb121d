import { createHash } from "node:crypto"
import type { IdempotencyKey, Published } from "#application/ports/engine.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { IDEMPOTENCY_MS, MAX_KEYS_PER_USER } from "#domain/limits.ts"

const MAX_DIGEST = 64

/** What is kept of a digest: never a whole message. */
const shortened = (digest: string): string =>
  digest.length <= MAX_DIGEST ? digest : createHash("sha256").update(digest).digest("base64url")

interface Record {
  readonly digest: string
  readonly published: Published
  readonly expiresAt: number
  readonly userId: string | undefined
}

/**
 * What was published under which idempotency key. At most half of all records are users', so that they never stand in a
 * backend's way, and of one user as many as MAX_KEYS_PER_USER, so that one never stands in the others'.
 */
export class IdempotencyRecords {
  /** In the order in which they expire. */
  private readonly byKey = new Map<string, Record>()
  private readonly ofUser = new Map<string, number>()
  private ofUsers = 0
  private readonly most: number
  private readonly nowMs: () => number
  private readonly limitHit: (limit: string) => void

  constructor(most: number, nowMs: () => number, limitHit: (limit: string) => void) {
    this.most = most
    this.nowMs = nowMs
    this.limitHit = limitHit
  }

  get size(): number {
    return this.byKey.size
  }

  /** What a repeat is answered, or why this one cannot be published; undefined: it is new, and there is room for it. */
  look({
    digest,
    key,
    userId,
  }: IdempotencyKey): Published | Refused<"idempotency_key_reused" | "overloaded" | "rate_limited"> | undefined {
    this.expire()
    const found = this.byKey.get(key)
    if (found !== undefined)
      return found.digest === shortened(digest)
        ? { ...found.published, repeated: true }
        : new Refusal("idempotency_key_reused", "the idempotency key was used with another body within 10 minutes")
    if (userId !== undefined && (this.ofUser.get(userId) ?? 0) >= MAX_KEYS_PER_USER) {
      this.limitHit("idempotency_keys_of_user")
      const message = `a user publishes at most ${MAX_KEYS_PER_USER} messages with an id of its own in 10 minutes`
      return new Refusal("rate_limited", message, { retryAfterMs: 5_000 })
    }
    if (this.size < this.most && (userId === undefined || this.ofUsers < this.most / 2)) return undefined
    this.limitHit("idempotency_records")
    return new Refusal("overloaded", "too many idempotency keys are remembered", { retryAfterMs: 5_000 })
  }

  add({ digest, key, userId }: IdempotencyKey, published: Published): void {
    const expiresAt = this.nowMs() + IDEMPOTENCY_MS
    this.byKey.set(key, { digest: shortened(digest), published, expiresAt, userId })
    this.count(userId, 1)
  }

  private expire(): void {
    const now = this.nowMs()
    for (const [key, { expiresAt, userId }] of this.byKey) {
      if (expiresAt > now) return
      this.byKey.delete(key)
      this.count(userId, -1)
    }
  }

  private count(userId: string | undefined, change: 1 | -1): void {
    if (userId === undefined) return
    this.ofUsers += change
    const count = (this.ofUser.get(userId) ?? 0) + change
    if (count === 0) this.ofUser.delete(userId)
    else this.ofUser.set(userId, count)
  }
}
