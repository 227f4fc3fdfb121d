/** What the configuration's `limits` bound; 0 = no limit. */
export interface Limits {
  readonly connectionsPerNode: number
  readonly connectionsPerUser: number
  readonly connectsPerSecondPerAddress: number
  readonly eventsPerSecond: number
  readonly eventsInFlight: number
  readonly roomsPerConnection: number
  readonly payloadBytes: number
  readonly bufferBytes: number
  readonly pushesPerSecond: number
  readonly targetsPerMessage: number
}

export const DEFAULT_LIMITS: Limits = {
  connectionsPerNode: 0,
  connectionsPerUser: 20,
  connectsPerSecondPerAddress: 50,
  eventsPerSecond: 50,
  eventsInFlight: 16,
  roomsPerConnection: 100,
  payloadBytes: 102_400,
  bufferBytes: 1_048_576,
  pushesPerSecond: 0,
  targetsPerMessage: 100,
}

/** For how long an idempotency key, or a client's own `id`, is remembered; and how many ids of one user are. */
export const IDEMPOTENCY_MS = 600_000
export const MAX_KEYS_PER_USER = 30_000

/** A client that takes nothing for this long is closed, whatever the number of bytes that wait for it. */
export const BUFFER_AGE_MS = 30_000

/** Messages that wait behind one connection's gate. */
export const GATE_MESSAGES = 5_000

/**
 * A token bucket: `perSecond` tokens a second, at most `burst` at once. `take` answers 0 where the tokens were there,
 * else the ms until they are. A cost above `burst` needs a full bucket and leaves it in debt, so that it passes in the
 * end and the rate holds all the same. It is told the time, in ms; where that was set back it goes on from there.
 */
export class TokenBucket {
  private tokens: number
  private at: number
  private readonly perSecond: number
  private readonly burst: number

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.perSecond = perSecond
    this.burst = burst
    this.tokens = burst
    this.at = nowMs
  }

  take(nowMs: number, cost = 1): number {
    if (nowMs > this.at) this.tokens = Math.min(this.burst, this.tokens + ((nowMs - this.at) * this.perSecond) / 1000)
    this.at = nowMs
    if (this.tokens >= Math.min(cost, this.burst)) {
      this.tokens -= cost
      return 0
    }
    return this.msUntil(cost)
  }

  /** Tokens left, whole ones. */
  get left(): number {
    return Math.max(0, Math.floor(this.tokens))
  }

  /** From the last `take` until so many tokens are there, or the bucket is full; ms. */
  msUntil(tokens: number): number {
    return Math.max(0, Math.ceil(((Math.min(tokens, this.burst) - this.tokens) * 1000) / this.perSecond))
  }

  /** Nothing was taken for so long that a new bucket would be the same. */
  isFull(nowMs: number): boolean {
    return this.tokens + ((nowMs - this.at) * this.perSecond) / 1000 >= this.burst
  }
}
