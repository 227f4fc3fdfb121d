import { type Message, messageBytes } from "./message.ts"
import type { Offset } from "./offset.ts"
import type { RoomName } from "./room.ts"

/** One message as it comes to one of its rooms. */
export interface Publication {
  readonly room: RoomName
  readonly partition: number
  readonly offset: Offset
  readonly message: Message
}

/**
 * While a connection's gate is closed, what is live waits here, bounded by number and bytes. A buffer that overflows is
 * dropped whole: its logged messages are read from the log again, in order, and nothing is sent past them meanwhile.
 */
export class Gate {
  overflowed = false
  private held: Publication[] = []
  private bytes = 0
  private readonly maxMessages: number
  private readonly maxBytes: number

  constructor(maxMessages: number, maxBytes: number) {
    this.maxMessages = maxMessages
    this.maxBytes = maxBytes
  }

  hold(publication: Publication): void {
    if (this.overflowed) return
    this.bytes += messageBytes(publication.message)
    if (this.held.length >= this.maxMessages || this.bytes > this.maxBytes) {
      this.overflowed = true
      this.held = []
      this.bytes = 0
    } else this.held.push(publication)
  }

  /** Begins again, empty: what follows is held, what overflowed is the log's to give. */
  restart(): void {
    this.overflowed = false
    this.held = []
    this.bytes = 0
  }

  /** What was held, oldest first; the gate is empty afterwards. */
  release(): readonly Publication[] {
    const held = this.held
    this.restart()
    return held
  }
}
