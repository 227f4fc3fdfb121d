import type { IncomingMessage, ServerResponse } from "node:http"

/** How long a client may take to read what it was answered before its engine connection closed. */
const LAST_MS = 5_000

/**
 * The answers to one client's polls that it has not taken, and the poll that waits for one. A client may leave any number
 * of them unread, each on a TCP connection of its own, and engine.io forgets an answer when it is written.
 */
export class PollAnswers {
  private readonly open = new Map<IncomingMessage, ServerResponse>()
  private readonly taken: () => void

  /** `taken` is called each time one was taken, or its TCP connection is gone. */
  constructor(taken: () => void) {
    this.taken = taken
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    this.open.set(request, response)
    request.once("close", () => {
      this.open.delete(request)
      this.taken()
    })
  }

  /** Nothing of what was answered is counted as taken until all of it is. */
  get bytes(): number {
    let bytes = 0
    for (const response of this.open.values()) bytes += response.writableLength
    return bytes
  }

  /** How far TCP got with them, for a comparison with an earlier look. */
  get progress(): number {
    let taken = 0
    for (const { socket, writableLength } of this.open.values()) taken += (socket?.bytesWritten ?? 0) - writableLength
    return taken
  }

  /** The engine connection is gone. */
  end(): void {
    if (this.open.size === 0) return
    const timer = setTimeout(() => {
      for (const response of this.open.values()) response.destroy()
    }, LAST_MS)
    timer.unref()
  }
}
