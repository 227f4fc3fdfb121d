import { weightOf } from "#domain/weight.ts"

export interface ClientEvent {
  readonly event: string
  readonly data: unknown
  readonly ack: ((answer: unknown) => void) | undefined
}

interface Waiting extends ClientEvent {
  readonly weight: number
}

/** A client that sends more is told that it is too fast. */
const MAX_WAITING = 200
const MAX_WAITING_BYTES = 2_097_152

/** What a client's events are refused with that are too many to wait. */
export const TOO_MANY_WAIT = `at most ${MAX_WAITING} events wait for their turn, and as much as weighs ${MAX_WAITING_BYTES} bytes`

/** A connection's events that wait behind a join, a slow handler or answers unread: bounded by number and by weight. */
export class WaitingEvents {
  private readonly events: Waiting[] = []
  private bytes = 0

  get first(): ClientEvent | undefined {
    return this.events[0]
  }

  /** False: too much waits. What nothing waits before is begun at once, and is not weighed. */
  add(event: ClientEvent): boolean {
    const weight = this.events.length === 0 ? 0 : weightOf([event.event, event.data], MAX_WAITING_BYTES)
    if (this.events.length >= MAX_WAITING || this.bytes + weight > MAX_WAITING_BYTES) return false
    this.bytes += weight
    this.events.push({ ...event, weight })
    return true
  }

  removeFirst(): void {
    this.bytes -= this.events.shift()?.weight ?? 0
  }

  clear(): void {
    this.events.length = 0
    this.bytes = 0
  }
}
