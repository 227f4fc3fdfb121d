import * as Effect from "effect/Effect"
import type { Socket } from "socket.io"
import type { LocalConnection } from "#application/local-connections.ts"
import type { Link, Outgoing } from "#application/ports/link.ts"
import { CLOSINGS, type Closing } from "#domain/closing.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { cutConnection } from "./cut-connection.ts"
import type { BufferOwner, OutgoingBuffer } from "./outgoing-buffer.ts"
import { encodeOwn, type PacketEncoder } from "./packet-encoder.ts"

export interface LinkOptions {
  readonly encoder: PacketEncoder
  /** 0: no limit */
  readonly bufferBytes: number
  /** A message as large as this is sent where nothing waits, whatever the buffer. */
  readonly largestMessage: number
  readonly limitHit: (limit: string) => void
  /** What should not happen, and closed the connection. */
  readonly failed: (connectionId: string, error: unknown) => void
}

/** Beside live messages: a page of a replay, a list of members, the answers to what was under way. */
const ANSWERS_BYTES = 4_194_304

/** The way out to one Socket.IO client. */
export class SocketLink implements BufferOwner, Link {
  connection: LocalConnection | undefined
  /** Why the gateway closes it; undefined while it does not. */
  closing: Closing | undefined
  readonly buffer: OutgoingBuffer
  /** How to give up what was asked and is not answered; undefined where nothing was. */
  private asked: Set<() => void> | undefined
  private readonly socket: Socket
  private readonly meta: boolean
  private readonly options: LinkOptions

  constructor(socket: Socket, meta: boolean, buffer: OutgoingBuffer, options: LinkOptions) {
    this.socket = socket
    this.meta = meta
    this.buffer = buffer
    this.options = options
  }

  opened(connection: LocalConnection): void {
    this.connection = connection
    this.buffer.owner = this
  }

  send(outgoing: Outgoing): void {
    try {
      if (this.closing !== undefined || this.refuses(outgoing)) return
      this.buffer.write(this.options.encoder.encode(outgoing, this.meta))
    } catch (error) {
      this.fail(error)
    }
  }

  emit(event: string, data: unknown, position?: string): void {
    try {
      if (this.closing === undefined) this.buffer.write(encodeOwn(event, data, this.meta ? position : undefined))
    } catch (error) {
      this.fail(error)
    }
  }

  ask(outgoing: Outgoing, timeoutMs: number): Effect.Effect<{ readonly data: unknown } | undefined> {
    return Effect.callback((resume) => {
      const { data, event, meta } = outgoing
      const settle = (answer: { readonly data: unknown } | undefined): void => {
        this.asked?.delete(giveUp)
        resume(Effect.succeed(answer))
      }
      const giveUp = (): void => settle(undefined)
      if (this.closing !== undefined || this.refuses(outgoing)) {
        giveUp()
        return
      }
      this.asked ??= new Set()
      this.asked.add(giveUp)
      try {
        const args: unknown[] = JSON.parse(this.meta ? `[${data},${meta}]` : `[${data}]`)
        this.socket
          .timeout(timeoutMs)
          .emit(event, ...args, (error: unknown, answer: unknown) =>
            settle(error === null ? { data: answer ?? null } : undefined),
          )
      } catch (error) {
        this.fail(error)
        giveUp()
      }
    })
  }

  /** The connection is gone: nobody waits for it any more. */
  ended(): void {
    for (const giveUp of [...(this.asked ?? [])]) giveUp()
  }

  drained(): Effect.Effect<void, Refused<"slow_consumer">> {
    return Effect.callback((resume) => {
      const cancel = this.buffer.whenEmpty(() => {
        const gone = this.closing !== undefined || this.socket.conn.readyState !== "open"
        resume(
          gone
            ? Effect.fail(new Refusal("slow_consumer", "the connection closed before it took everything"))
            : Effect.void,
        )
      })
      return Effect.sync(cancel)
    })
  }

  /** `session:closing` first where it can be written; who does not read, or was replaced, is cut. */
  close(closing: Closing): boolean {
    if (this.closing !== undefined) return false
    try {
      this.closeFor(closing)
    } catch (error) {
      this.fail(error)
    }
    return true
  }

  get bufferedBytes(): number {
    return this.buffer.bytes
  }

  /** How much of Socket.IO's own, such as an acknowledgement, is written by this. */
  bytesWritten(write: () => void): number {
    let bytes = 0
    const count = ({ data }: { readonly data?: unknown }): void => {
      if (typeof data === "string") bytes += data.length
    }
    this.socket.conn.on("packetCreate", count)
    write()
    this.socket.conn.off("packetCreate", count)
    return bytes
  }

  get mostWaiting(): number {
    const { bufferBytes, largestMessage } = this.options
    return bufferBytes === 0 ? Number.POSITIVE_INFINITY : bufferBytes + largestMessage + ANSWERS_BYTES
  }

  overflow(): void {
    this.close(CLOSINGS.slowConsumer)
  }

  /** So much waits for the client that no answer should be added to it. */
  get isBehind(): boolean {
    return this.options.bufferBytes > 0 && this.buffer.bytes > this.options.bufferBytes / 2
  }

  tend(nowMs: number): void {
    if (this.closing === undefined && this.buffer.isStalled(nowMs)) {
      this.options.limitHit("buffer_age")
      this.close(CLOSINGS.slowConsumer)
    }
  }

  private closeFor(closing: Closing): void {
    const { code, message, reconnect, retryAfterMs } = closing
    const cut = code === "slow_consumer" || code === "session_taken"
    if (!cut)
      this.emit("session:closing", { code, message, reconnect, ...(retryAfterMs !== undefined && { retryAfterMs }) })
    this.closing ??= closing
    const { conn } = this.socket
    if (cut) cutConnection(conn)
    else if (reconnect) conn.close()
    else this.socket.disconnect(true)
  }

  private fail(error: unknown): void {
    this.closing ??= CLOSINGS.failed
    this.options.failed(this.socket.id, error)
    try {
      cutConnection(this.socket.conn)
    } catch (again) {
      this.options.failed(this.socket.id, again)
    }
  }

  /** Behind its gate a connection is written in pages that wait for it, so that only what is live counts. */
  private refuses(outgoing: Outgoing): boolean {
    const { bufferBytes } = this.options
    if (bufferBytes === 0 || this.buffer.bytes + outgoing.data.length <= bufferBytes) return false
    if (this.buffer.bytes === 0 || (this.connection?.gate ?? null) !== null) return false
    if (outgoing.volatile) {
      this.options.limitHit("buffer_volatile")
      return true
    }
    this.options.limitHit("buffer_bytes")
    this.close(CLOSINGS.slowConsumer)
    return true
  }
}
