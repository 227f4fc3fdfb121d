/** Of each kind one is written in so much time; it says how many there were since the one before. */
const EVERY_MS = 10_000

export interface Complaint {
  readonly message: string
  readonly reason: string
  /** Of this kind, this one included. */
  readonly times: number
}

/** What a flood of bad messages, or Redis away, gives to write in the log: little, whatever the rate. */
export class Complaints<Kind extends string> {
  private readonly kinds = new Map<Kind, { until: number; times: number }>()
  private readonly messages: Readonly<Record<Kind, string>>
  private readonly nowMs: () => number
  private readonly write: (complaint: Complaint) => void

  constructor(messages: Readonly<Record<Kind, string>>, nowMs: () => number, write: (complaint: Complaint) => void) {
    this.messages = messages
    this.nowMs = nowMs
    this.write = write
  }

  add(kind: Kind, reason: unknown): void {
    const now = this.nowMs()
    const known = this.kinds.get(kind) ?? { until: 0, times: 0 }
    known.times++
    if (now >= known.until) {
      const text = reason instanceof Error ? reason.message : String(reason)
      this.write({ message: this.messages[kind], reason: text.slice(0, 500), times: known.times })
      known.until = now + EVERY_MS
      known.times = 0
    }
    this.kinds.set(kind, known)
  }
}
