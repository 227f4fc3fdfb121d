import type { LogEntry } from "#application/ports/message-log.ts"
import { messageBytes } from "#domain/message.ts"
import { type Offset, offsetToMs } from "#domain/offset.ts"
import type { History } from "#domain/room-rules.ts"

/** One room's history, in offset order: a queue that forgets from its front by size and age. */
export class RoomLog {
  bytes = 0
  /** Appended to since it was last looked at for eviction. */
  touched = true
  /** Undefined before `head`: what is forgotten is let go at once. */
  private entries: (LogEntry | undefined)[] = []
  private head = 0
  private history: History

  constructor(history: History) {
    this.history = history
  }

  get size(): number {
    return this.entries.length - this.head
  }

  append(entry: LogEntry, history: History, nowMs: number): void {
    this.history = history
    this.touched = true
    this.entries.push(entry)
    this.bytes += messageBytes(entry.message)
    while (this.size > history.size) this.forgetFirst()
    this.trim(nowMs)
  }

  /** Forgets what is too old now. */
  trim(nowMs: number): void {
    const oldest = nowMs - this.history.ttlMs
    for (
      let first = this.entries[this.head];
      first !== undefined && offsetToMs(first.offset) < oldest;
      first = this.entries[this.head]
    )
      this.forgetFirst()
  }

  /** Forgets the oldest until the rest fits, the newest in any case not. */
  shrinkTo(bytes: number): void {
    while (this.bytes > bytes && this.size > 1) this.forgetFirst()
  }

  /** The index of the first entry after an offset. */
  indexAfter(offset: Offset): number {
    let low = this.head
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = this.entries[middle]
      if (entry !== undefined && entry.offset > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  at(index: number): LogEntry | undefined {
    return this.entries[index]
  }

  /** How many there are from an index on. */
  countFrom(index: number): number {
    return this.entries.length - index
  }

  /** The newest up to an offset, oldest first, and whether `bytes` cut them short. */
  last(upTo: Offset, limit: number, bytes: number): { readonly entries: readonly LogEntry[]; readonly cut: boolean } {
    const end = this.indexAfter(upTo)
    const least = Math.max(this.head, end - limit)
    let begin = end
    for (let left = bytes; begin > least && (left > 0 || begin === end); begin--) {
      const entry = this.entries[begin - 1]
      left -= entry === undefined ? 0 : messageBytes(entry.message)
    }
    return { entries: this.entries.slice(begin, end).filter((entry) => entry !== undefined), cut: begin > least }
  }

  private forgetFirst(): void {
    const first = this.entries[this.head]
    if (first === undefined) return
    this.bytes -= messageBytes(first.message)
    this.entries[this.head] = undefined
    this.head++
    if (this.head > 1_000 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head)
      this.head = 0
    }
  }
}
