import type { Socket } from "socket.io"
import { BUFFER_AGE_MS } from "#domain/limits.ts"

type EngineConnection = Socket["conn"]
type Transport = EngineConnection["transport"]

const sizeOf = (data: unknown): number =>
  typeof data === "string" ? data.length : data instanceof Uint8Array ? data.byteLength : 1

/**
 * What waits to leave for one client: packets that engine.io queues, and the batch that the transport was given and has
 * not finished. engine.io bounds neither; `bufferedAmount` alone freezes at the last batch.
 */
export class OutgoingBuffer {
  private queued = 0
  private inFlight = 0
  /** Since when there is something to take and nothing was taken; 0: nothing waits. */
  private stalledSince = 0
  private readonly waiters: (() => void)[] = []
  private readonly nowMs: () => number

  constructor(conn: EngineConnection, nowMs: () => number) {
    this.nowMs = nowMs
    conn.on("packetCreate", ({ data }: { readonly data?: unknown }) => {
      this.queued += sizeOf(data)
      if (this.stalledSince === 0) this.stalledSince = this.nowMs()
    })
    conn.on("flush", () => {
      this.inFlight += this.queued
      this.queued = 0
    })
    this.follow(conn.transport)
    conn.on("upgrade", (transport: Transport) => this.follow(transport))
  }

  get bytes(): number {
    return this.queued + this.inFlight
  }

  isStalled(nowMs: number): boolean {
    return this.stalledSince !== 0 && nowMs - this.stalledSince > BUFFER_AGE_MS
  }

  /** Calls back when nothing waits any more, or the connection is gone; at once where that is so. */
  whenEmpty(resume: () => void): () => void {
    if (this.bytes === 0) {
      resume()
      return () => undefined
    }
    this.waiters.push(resume)
    return () => {
      const i = this.waiters.indexOf(resume)
      if (i >= 0) this.waiters.splice(i, 1)
    }
  }

  /** The connection is gone: nothing waits. */
  discard(): void {
    this.queued = 0
    this.taken()
  }

  private follow(transport: Transport): void {
    transport.on("drain", () => this.taken())
  }

  private taken(): void {
    this.inFlight = 0
    this.stalledSince = this.queued === 0 ? 0 : this.nowMs()
    if (this.queued === 0) for (const resume of this.waiters.splice(0)) resume()
  }
}
