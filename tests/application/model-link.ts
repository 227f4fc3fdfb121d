import * as Effect from "effect/Effect"
import type { LocalConnection } from "#application/local-connections.ts"
import type { Link, Outgoing } from "#application/ports/link.ts"
import { CLOSINGS, type Closing } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"

/** What was written to a client, and not yet taken by it. */
export type Sent =
  | { readonly kind: "connect"; readonly pid: string | undefined; readonly recovered: boolean }
  | { readonly kind: "own"; readonly event: string; readonly data: unknown; readonly position: string | undefined }
  | { readonly kind: "message"; readonly outgoing: Outgoing }
  | { readonly kind: "ack"; readonly of: string }

/** More than that waits for a client that does not read: it is closed, as the transport does. */
export const LINK_BYTES = 4_000

const CUT: ReadonlySet<string> = new Set([CLOSINGS.slowConsumer.code, CLOSINGS.sessionTaken.code])

/** A transport in memory, which loses what its client had not taken when the network went. */
export class ModelLink implements Link {
  connection: LocalConnection | undefined
  closing: Closing | undefined
  /** The client's end is gone; the gateway may not know it yet. */
  cut = false
  /** The gateway's end is gone. */
  ended = false
  /** Its client's events wait: until it is started, and while one of them is under way. */
  busy = true
  readonly whenEnded: (() => void)[] = []
  readonly wire: Sent[] = []
  private readonly drains = new Set<() => void>()
  private readonly onOpened: (connection: LocalConnection) => void
  private readonly onEnd: (link: ModelLink, reason: string) => void
  private readonly onClosing: (link: ModelLink) => void

  constructor(
    onOpened: (connection: LocalConnection) => void,
    onClosing: (link: ModelLink) => void,
    onEnd: (link: ModelLink, reason: string) => void,
  ) {
    this.onOpened = onOpened
    this.onClosing = onClosing
    this.onEnd = onEnd
  }

  /** The client can still take what is written. */
  get isUp(): boolean {
    return !this.cut && !this.ended
  }

  get bufferedBytes(): number {
    let bytes = 0
    for (const sent of this.wire) if (sent.kind === "message") bytes += sent.outgoing.data.length
    return bytes
  }

  opened(connection: LocalConnection): void {
    this.connection = connection
    this.onOpened(connection)
  }

  send(outgoing: Outgoing): void {
    if (this.closing !== undefined || this.refuses(outgoing)) return
    this.wire.push({ kind: "message", outgoing })
  }

  emit(event: string, data: unknown, position?: string): void {
    if (this.closing === undefined) this.wire.push({ kind: "own", event, data, position })
  }

  ask(): Effect.Effect<undefined> {
    return Effect.succeed(undefined)
  }

  drained(): Effect.Effect<void, Refusal<"slow_consumer">> {
    return Effect.callback((resume) => {
      const settle = (): void => {
        const gone = this.closing !== undefined || this.ended
        if (!gone && this.wire.length > 0) return
        this.drains.delete(settle)
        resume(gone ? Effect.fail(new Refusal("slow_consumer", "the client went away")) : Effect.void)
      }
      this.drains.add(settle)
      settle()
      return Effect.sync(() => void this.drains.delete(settle))
    })
  }

  close(closing: Closing): boolean {
    if (this.closing !== undefined) return false
    const cut = CUT.has(closing.code)
    if (!cut) this.emit("session:closing", closing)
    this.closing = closing
    if (cut) {
      this.wire.length = 0
      this.end(closing.code)
    } else this.onClosing(this)
    this.settle()
    return true
  }

  tend(): void {}

  /** The oldest that the client has not taken. */
  take(): Sent | undefined {
    const sent = this.wire.shift()
    this.settle()
    return sent
  }

  /** The gateway sees that the client is gone, or has done with it. */
  end(reason: string): void {
    if (this.ended) return
    this.ended = true
    this.settle()
    this.onEnd(this, this.closing?.code ?? reason)
  }

  private settle(): void {
    for (const settle of [...this.drains]) settle()
  }

  /** As in the Socket.IO transport: behind the gate, pages wait for the client and do not count. */
  private refuses(outgoing: Outgoing): boolean {
    if (this.bufferedBytes + outgoing.data.length <= LINK_BYTES || this.bufferedBytes === 0) return false
    if ((this.connection?.gate ?? null) !== null) return false
    if (!outgoing.volatile) this.close(CLOSINGS.slowConsumer)
    return true
  }
}
