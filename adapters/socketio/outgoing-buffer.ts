import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket as Tcp } from "node:net"
import type { Socket } from "socket.io"
import { WebSocket } from "ws"
import { BUFFER_AGE_MS } from "#domain/limits.ts"
import { cutConnection } from "./cut-connection.ts"
import type { EncodedPacket } from "./packet-encoder.ts"
import { PollAnswers } from "./poll-answers.ts"
import { tcpOf, websocketOf } from "./tcp-connection.ts"

type EngineConnection = Socket["conn"]

/** Whose output it is, once the client was let in. */
export interface BufferOwner {
  /** What waits can be more only where the client goes on asking and does not read. */
  readonly mostWaiting: number
  /** More waits, and the client has sent something all the same. */
  readonly overflow: () => void
}

const NOTHING = Buffer.alloc(0)

/** A client that was not let in is answered its CONNECT, or two. */
const STRANGER_BYTES = 65_536

/**
 * What waits to leave for one client, counted where it waits: in engine.io's queue, which nothing bounds, in the TCP
 * connection, and in the answers to polls. Counted when asked, so that neither an idle connection nor a delivery pays.
 */
export class OutgoingBuffer {
  owner: BufferOwner | undefined
  private readonly conn: EngineConnection
  private answers: PollAnswers | undefined
  private transport: unknown
  private websocket: WebSocket | undefined
  private tcp: Tcp | undefined
  /** engine.io's queue as far as it was counted: it grows at its end, or is handed over and begun anew. */
  private counted: readonly unknown[] | undefined
  private countedPackets = 0
  private countedBytes = 0
  private handedOver = 0
  /** Since when there is something to take and nothing was taken; 0: nothing waits. */
  private stalledSince = 0
  private takenThen = 0
  private waiters: Set<() => void> | undefined
  private awaiting = false
  private gone = false

  constructor(conn: EngineConnection) {
    this.conn = conn
    this.follow()
    conn.once("close", () => this.discard())
  }

  /** A poll, which is answered by this response. */
  poll(request: IncomingMessage, response: ServerResponse): void {
    this.answers ??= new PollAnswers(() => this.waiters !== undefined && this.look())
    this.answers.add(request, response)
  }

  /** The client has sent something: false where it was not to, for it does not read. */
  admits(): boolean {
    if (this.bytes <= (this.owner?.mostWaiting ?? STRANGER_BYTES)) return true
    if (this.owner === undefined) cutConnection(this.conn)
    else this.owner.overflow()
    return false
  }

  /**
   * A finished frame goes straight to the TCP connection of an open WebSocket, in the order of what engine.io writes
   * there; everything else is engine.io's, and so is what comes while it has packets queued.
   */
  write({ options, text }: EncodedPacket): void {
    const { conn } = this
    if (conn.transport !== this.transport) this.follow()
    if (
      this.websocket?.readyState === WebSocket.OPEN &&
      this.tcp !== undefined &&
      conn["writeBuffer"].length === 0 &&
      conn.readyState === "open"
    )
      this.tcp.write(options.wsPreEncodedFrame[0])
    else conn.write(text, options)
  }

  get bytes(): number {
    if (this.gone) return 0
    if (this.conn.transport !== this.transport) this.follow()
    const inFlight = (this.tcp?.writableLength ?? 0) + (this.answers?.bytes ?? 0)
    return this.conn["writeBuffer"].length === 0 && this.counted === undefined ? inFlight : inFlight + this.countQueue()
  }

  /** Looked at once a second or so: whether the client has taken nothing for BUFFER_AGE_MS, though there was something. */
  isStalled(nowMs: number): boolean {
    if (this.bytes === 0) {
      this.stalledSince = 0
      return false
    }
    const sent = this.tcp === undefined ? 0 : this.tcp.bytesWritten - this.tcp.writableLength
    const taken = this.handedOver + sent + (this.answers?.progress ?? 0)
    if (this.stalledSince === 0 || taken !== this.takenThen) {
      this.stalledSince = nowMs
      this.takenThen = taken
    }
    return nowMs - this.stalledSince > BUFFER_AGE_MS
  }

  /** Calls back when nothing waits any more, or the connection is gone; at once where that is so. */
  whenEmpty(resume: () => void): () => void {
    if (this.bytes === 0) {
      resume()
      return () => undefined
    }
    this.waiters ??= new Set()
    this.waiters.add(resume)
    this.await()
    return () => this.waiters?.delete(resume)
  }

  /** The connection is gone: nothing waits. */
  private discard(): void {
    this.gone = true
    this.counted = undefined
    this.answers?.end()
    this.release()
  }

  private look(): void {
    if (this.bytes === 0) this.release()
    else this.await()
  }

  /** engine.io's queue is handed to the transport as a whole, then TCP calls back in its turn, or the answers do. */
  private await(): void {
    if (this.awaiting) return
    const look = (): void => {
      this.awaiting = false
      this.look()
    }
    this.awaiting = true
    if (this.conn["writeBuffer"].length > 0) this.conn.once("drain", look)
    else if (this.tcp?.writable === true) this.tcp.write(NOTHING, look)
    else this.awaiting = false
  }

  private release(): void {
    const { waiters } = this
    this.waiters = undefined
    for (const resume of waiters ?? []) resume()
  }

  private countQueue(): number {
    const queue = this.conn["writeBuffer"]
    if (queue !== this.counted) {
      if (this.counted !== undefined) this.handedOver++
      this.counted = queue.length === 0 ? undefined : queue
      this.countedPackets = 0
      this.countedBytes = 0
    }
    for (; this.countedPackets < queue.length; this.countedPackets++)
      this.countedBytes += sizeOf(queue[this.countedPackets]?.data)
    return this.countedBytes
  }

  /** The transport is another one after an upgrade. */
  private follow(): void {
    const { transport } = this.conn
    this.transport = transport
    this.websocket = websocketOf(transport)
    this.tcp = tcpOf(this.websocket)
  }
}

const sizeOf = (data: unknown): number =>
  typeof data === "string" ? data.length : data instanceof Uint8Array ? data.byteLength : 1
