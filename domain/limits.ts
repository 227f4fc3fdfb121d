/** The limits of DESIGN section 3; 0 = no limit. */
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

/** A client that takes nothing for this long is closed, whatever the number of bytes that wait for it. */
export const BUFFER_AGE_MS = 30_000

/** Messages that wait behind one connection's gate. */
export const GATE_MESSAGES = 5_000

/**
 * A token bucket: `perSecond` tokens a second, at most `burst` at once. `take` answers 0 where a token was there, else
 * the ms until the next one. It is told the time, in ms, and never goes back with it.
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

  take(nowMs: number): number {
    if (nowMs > this.at) {
      this.tokens = Math.min(this.burst, this.tokens + ((nowMs - this.at) * this.perSecond) / 1000)
      this.at = nowMs
    }
    if (this.tokens >= 1) {
      this.tokens -= 1
      return 0
    }
    return Math.ceil(((1 - this.tokens) * 1000) / this.perSecond)
  }

  /** Tokens left, whole ones. */
  get left(): number {
    return Math.floor(this.tokens)
  }

  /** Nothing was taken for so long that a new bucket would be the same. */
  isFull(nowMs: number): boolean {
    return this.tokens + ((nowMs - this.at) * this.perSecond) / 1000 >= this.burst
  }
}
