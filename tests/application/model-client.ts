import type { Outgoing } from "#application/ports/link.ts"
import { type Offset, parsePosition } from "#domain/offset.ts"
import type { ModelLink, Sent } from "./model-link.ts"
import type { ModelSession, Said } from "./model-session.ts"

/** What a client needs to know to judge what it gets. */
export interface Witness {
  readonly sessionOf: (pid: string) => ModelSession | undefined
  readonly said: () => readonly Said[]
  readonly nowMs: () => number
  readonly violated: (what: string) => void
  readonly happened: (what: string) => void
}

/** A stock Socket.IO client: it keeps session and position, and sends them back when it reconnects. */
export class ModelClient {
  readonly userId: string
  readonly name: string
  pid: string | undefined
  position: string | undefined
  link: ModelLink | undefined
  /** session:ready was taken on the present link. */
  ready = false
  private readonly received = new Set<string>()
  private newest: Offset = 0
  private readonly witness: Witness

  constructor(name: string, userId: string, witness: Witness) {
    this.name = name
    this.userId = userId
    this.witness = witness
  }

  get session(): ModelSession | undefined {
    return this.pid === undefined ? undefined : this.witness.sessionOf(this.pid)
  }

  /** Takes the oldest thing that was written to it. False: there is none. */
  take(): boolean {
    const sent = this.link?.isUp === true ? this.link.take() : undefined
    if (sent === undefined) return false
    this.takes(sent)
    return true
  }

  /** Everything that it must have up to an offset and has not. */
  missing(upTo: Offset): readonly Said[] {
    const { session } = this
    const now = this.witness.nowMs()
    if (session === undefined) return []
    return this.witness
      .said()
      .filter(
        (said) =>
          said.published.offset <= upTo &&
          !this.received.has(said.publish.message.id) &&
          session.must(said, this.userId, now),
      )
  }

  private takes(sent: Sent): void {
    switch (sent.kind) {
      case "ack":
        return
      case "connect": {
        const same = sent.pid !== undefined && sent.pid === this.pid
        if (same !== sent.recovered)
          this.fail(`is told recovered: ${sent.recovered}, its session is ${same ? "" : "not "}the same`)
        this.witness.happened(same ? "recovered" : this.pid === undefined ? "fresh" : "not recovered")
        if (same) return
        this.pid = sent.pid
        this.received.clear()
        this.newest = 0
        return
      }
      case "own":
        if (sent.event === "session:ready") this.ready = true
        this.witness.happened(sent.event)
        this.moveTo(sent.position)
        return
      case "message":
        this.gets(sent.outgoing)
    }
  }

  private gets({ meta, position }: Outgoing): void {
    const { id }: { readonly id: string } = JSON.parse(meta)
    const said = this.witness.said().find(({ publish }) => publish.message.id === id)
    if (said === undefined) throw new Error(`${this.name} gets ${id}, which nobody published`)
    const { offset } = said.published
    if (this.received.has(id)) this.fail(`gets ${id} twice`)
    if (this.session?.may(said, this.userId) !== true) this.fail(`gets ${id}, which is not for it`)
    if (position !== undefined) {
      if (offset <= this.newest) this.fail(`gets ${id} at ${offset}, after ${this.newest}`)
      this.newest = offset
    }
    this.received.add(id)
    this.moveTo(position)
  }

  /** The invariant: never a position while an older message that it should have is still missing. */
  private moveTo(text: string | undefined): void {
    if (text === undefined) return
    const position = parsePosition(text)?.offsets[0]
    if (position === undefined) throw new Error(`${this.name} gets ${text}, which is no position`)
    this.position = text
    for (const { publish, published } of this.missing(position))
      this.fail(`gets the position ${position}, and ${publish.message.id} at ${published.offset} is missing`)
  }

  private fail(what: string): void {
    this.witness.violated(`${this.name} ${what}`)
  }
}
