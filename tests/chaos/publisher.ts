import { setTimeout as sleep } from "node:timers/promises"
import { Pool } from "undici"
import { API_KEY } from "#tests/support/gateway.ts"
import type { Accepted } from "./journal.ts"
import type { Random } from "./random.ts"

const AT_ONCE = 256
const ANSWER_MS = 5_000
const LEAST_WAIT_MS = 50
const MOST_WAIT_MS = 1_000
/** Behind by more than this, it does not catch up in a burst. */
const MOST_BEHIND_MS = 500
/** What says "later": the gateway's own refusals and the load balancer's. */
const LATER: ReadonlySet<number> = new Set([429, 502, 503, 504])

export interface PublisherOptions {
  readonly url: string
  readonly perSecond: number
  readonly rooms: readonly string[]
  readonly users: readonly string[]
  readonly random: Random
  /** Unlike any other run's against the same store. */
  readonly name: string
}

/**
 * A backend that does it right: each push has an idempotency key and is sent again under it until it is answered 202.
 * At most AT_ONCE are under way; where they are all waiting, fewer are made.
 */
export class Publisher {
  private readonly options: PublisherOptions
  private readonly pool: Pool
  private readonly targets: string[][] = []
  private readonly offsets: number[] = []
  private readonly workers: Promise<void>[] = []
  private running = true
  private due = 0
  count = 0
  retries = 0
  /** Answers that a good push should never get. */
  readonly refusals: string[] = []

  constructor(options: PublisherOptions) {
    this.options = options
    this.pool = new Pool(options.url, {
      connections: AT_ONCE,
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
    })
  }

  start(): void {
    this.due = performance.now()
    for (let i = 0; i < AT_ONCE; i++) this.workers.push(this.work())
  }

  /** Makes no more, and waits until those under way are accepted. */
  async stop(mostMs: number): Promise<void> {
    this.running = false
    const stopped = await Promise.race([Promise.all(this.workers), sleep(mostMs, undefined, { ref: false })])
    if (stopped === undefined) this.refusals.push(`not accepted ${mostMs} ms after the last fault`)
    await this.pool.destroy()
  }

  /** Pushes so far. */
  get accepted(): Accepted {
    return { rooms: this.targets, offsets: this.offsets }
  }

  private async work(): Promise<void> {
    const { perSecond } = this.options
    while (this.running) {
      const now = performance.now()
      this.due = Math.max(this.due + 1000 / perSecond, now - MOST_BEHIND_MS)
      if (this.due > now) await sleep(this.due - now)
      if (this.running) await this.push()
    }
  }

  /** Most to one room, some to several, some to a user. */
  private target(): string[] {
    const { random, rooms, users } = this.options
    const kind = random.next()
    if (kind < 0.05) return [`$user:${random.pick(users)}`]
    return random.sample(rooms, kind < 0.85 ? 1 : kind < 0.95 ? 2 : 3)
  }

  private async push(): Promise<void> {
    const n = this.targets.length
    const target = this.target()
    this.targets.push(target)
    this.offsets.push(Number.NaN)
    const user = target[0]?.startsWith("$user:") === true ? target[0].slice("$user:".length) : undefined
    const to = user === undefined ? { rooms: target } : { users: [user] }
    const body = JSON.stringify({ to, event: "n", data: n })
    for (let waitMs = LEAST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MOST_WAIT_MS)) {
      const offset = await this.attempt(n, body)
      if (offset !== undefined) {
        this.offsets[n] = offset
        this.count++
        return
      }
      if (this.pool.destroyed) return
      this.retries++
      await sleep(waitMs)
    }
  }

  /** The offset, or undefined: again. */
  private async attempt(n: number, body: string): Promise<number | undefined> {
    try {
      const answer = await this.pool.request({
        method: "POST",
        path: "/v1/messages",
        headers: {
          authorization: `Bearer ${API_KEY}`,
          "content-type": "application/json",
          "idempotency-key": `${this.options.name}-${n}`,
        },
        body,
      })
      const text = await answer.body.text()
      if (answer.statusCode === 202) return Number(/"offset":"[^".]*\.(\d+)"/.exec(text)?.[1])
      if (!LATER.has(answer.statusCode) && this.refusals.length < 10) this.refusals.push(`${answer.statusCode} ${text}`)
    } catch {
      // A network error or a time-out, which is what this run is about: it counts as a retry.
    }
    return undefined
  }
}
