import { type Accepted, type Journal, roomOfUser, type Step } from "./journal.ts"
import { firstAfter, type RoomIndex } from "./room-index.ts"

export const VIOLATIONS = ["lost", "duplicated", "reordered", "stray", "unjustified"] as const
export type Violation = (typeof VIOLATIONS)[number]

export interface Example {
  readonly violation: Violation
  readonly client: string
  /** When it came, or should have; ms since the run began. */
  readonly at: number
  readonly what: string
}

export interface Judgement {
  readonly counts: Readonly<Record<Violation, number>>
  readonly examples: readonly Example[]
  readonly recovered: number
  /** `recovered: false` that is as it should be, by why. */
  readonly justified: Readonly<Record<string, number>>
}

export interface Run {
  readonly accepted: Accepted
  readonly index: RoomIndex
  /** A client that was away for longer need not be recovered. */
  readonly windowMs: number
  readonly startedAt: number
}

/** A stay in a room: all that is newer than `from` is owed, up to what was had when the client asked to leave. */
interface Stay {
  /** Infinity: no join was acknowledged yet, and nothing delivered. */
  from: number
  until: number
  /** The leave was acknowledged. */
  ended: boolean
}

const MOST_EXAMPLES = 5

/**
 * One client's stream against what it was owed. A stream begins with a connect that is not recovered and goes on over
 * every recovered one. Within it nothing may be missing between a join's offset and the newest position that was had
 * (whatever the room: a position means "everything up to here"), and in the last one nothing at all.
 */
class Check {
  private readonly counts = { lost: 0, duplicated: 0, reordered: 0, stray: 0, unjustified: 0 }
  private readonly examples: Example[] = []
  private readonly justified: Record<string, number> = {}
  private recovered = 0
  private readonly seen = new Set<number>()
  private connects = 0
  private wasReady = false
  private connectRecovered = false
  private droppedAt: number | undefined
  private newestPosition = 0
  private readonly newestIn = new Map<string, number>()
  private readonly stays = new Map<string, Stay[]>()
  private readonly journal: Journal
  private readonly run: Run

  constructor(journal: Journal, run: Run) {
    this.journal = journal
    this.run = run
  }

  judge(): Judgement {
    let next = 0
    for (const step of this.journal.steps) {
      while (next < step.index) this.deliver(next++)
      this.take(step)
    }
    while (next < this.journal.numbers.length) this.deliver(next++)
    this.collect(Number.POSITIVE_INFINITY)
    const { counts, examples, justified, recovered } = this
    return { counts, examples, justified, recovered }
  }

  private report(violation: Violation, at: number, what: string): void {
    this.counts[violation]++
    if (this.examples.length < MOST_EXAMPLES)
      this.examples.push({ violation, client: this.journal.client, at: Math.round(at), what })
  }

  private current(room: string): Stay | undefined {
    const stay = this.stays.get(room)?.at(-1)
    return stay?.ended === false ? stay : undefined
  }

  private begin(room: string, from: number): void {
    const stay = { from, until: Number.POSITIVE_INFINITY, ended: false }
    const stays = this.stays.get(room)
    if (stays === undefined) this.stays.set(room, [stay])
    else if (stays.at(-1)?.ended === true) stays.push(stay)
  }

  private deliver(i: number): void {
    const { at, numbers, offsets, positions } = this.journal
    const [n, offset, time] = [numbers[i]!, offsets[i]!, at[i]!]
    const { accepted } = this.run
    const rooms = accepted.rooms[n] ?? []
    const report = (violation: Violation, why: string): void =>
      this.report(violation, time, `push ${n} at ${offset} to ${rooms.join(" ")}: ${why}`)
    if (this.seen.has(n)) {
      report("duplicated", "a second time")
      return
    }
    this.seen.add(n)
    if (accepted.offsets[n] !== offset) report("duplicated", `accepted at ${accepted.offsets[n]}`)
    const mine = rooms.filter((room) => this.current(room) !== undefined)
    if (mine.length === 0) report("stray", `in none of its rooms`)
    const newest = Math.max(this.newestPosition, ...mine.map((room) => this.newestIn.get(room) ?? 0))
    if (Number.isNaN(positions[i])) report("reordered", `without a position`)
    if (offset <= newest) report("reordered", `after ${newest}`)
    const only = mine.length === 1 ? this.current(mine[0]!) : undefined
    if (only !== undefined) only.from = Math.min(only.from, offset - 1)
    for (const room of mine) this.newestIn.set(room, Math.max(offset, this.newestIn.get(room) ?? 0))
    this.reach(positions[i]!)
  }

  private reach(position: number): void {
    if (position > this.newestPosition) this.newestPosition = position
  }

  private take(step: Step): void {
    switch (step.kind) {
      case "connect":
        this.connectRecovered = step.recovered
        if (step.recovered) this.recovered++
        else this.startOver(step.at)
        this.droppedAt = undefined
        this.connects++
        return
      case "ready":
        if (step.recovered !== this.connectRecovered) {
          this.report("unjustified", step.at, `connected with recovered ${this.connectRecovered}, then told otherwise`)
          if (!step.recovered) this.forget()
        }
        if (Number.isNaN(step.position)) this.report("unjustified", step.at, "session:ready without a position")
        this.reach(step.position)
        this.wasReady = true
        // The position may lag behind the moment in which its own room was joined. What came after this was sure.
        this.begin(roomOfUser(this.journal.client), (this.run.startedAt + step.at + 1) * 1000)
        return
      case "position":
        this.reach(step.position)
        return
      case "drop":
        // The stock client tells of attempts that came to nothing too: it is away since the first one.
        this.droppedAt ??= step.at
        return
      case "join":
        this.begin(step.room, Number.POSITIVE_INFINITY)
        return
      case "joined": {
        const stay = this.current(step.room)
        if (stay !== undefined) stay.from = Math.min(stay.from, step.offset)
        return
      }
      case "leave": {
        const stay = this.current(step.room)
        if (stay !== undefined) stay.until = Math.min(stay.until, this.newestPosition)
        return
      }
      case "left": {
        const stay = this.current(step.room)
        if (stay !== undefined) stay.ended = true
      }
    }
  }

  /** Told `recovered: false`. What was missed is gone; what it had before must have been whole. */
  private startOver(at: number): void {
    const awayMs = at - (this.droppedAt ?? at)
    if (this.connects > 0) {
      const why = !this.wasReady ? "the one before was never ready" : awayMs > this.run.windowMs ? "window over" : ""
      if (why === "") this.report("unjustified", at, `not recovered after ${awayMs} ms`)
      else this.justified[why] = (this.justified[why] ?? 0) + 1
    }
    this.forget()
  }

  private forget(): void {
    this.collect(this.newestPosition)
    this.stays.clear()
    this.newestIn.clear()
    this.newestPosition = 0
    this.wasReady = false
  }

  /** Counts what was owed up to `limit` and never came. */
  private collect(limit: number): void {
    const { accepted, index, startedAt } = this.run
    const missing = new Set<number>()
    for (const [room, stays] of this.stays)
      for (const { from, until } of stays) {
        const last = Math.min(until, limit)
        const pushes = index.get(room) ?? []
        for (let i = firstAfter(pushes, accepted.offsets, from); i < pushes.length; i++) {
          const n = pushes[i]!
          const offset = accepted.offsets[n]!
          if (offset > last) break
          if (this.seen.has(n) || missing.has(n)) continue
          missing.add(n)
          const stay = `there since ${from}, owed until ${last}`
          this.report("lost", offset / 1000 - startedAt, `push ${n} at ${offset} to ${room}: ${stay}`)
        }
      }
  }
}

export const judge = (journal: Journal, run: Run): Judgement => new Check(journal, run).judge()
