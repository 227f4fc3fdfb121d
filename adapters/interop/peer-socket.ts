import type { LocalConnection } from "#application/local-connections.ts"
import { CLOSINGS } from "#domain/closing.ts"
import type { Emission } from "./emission.ts"

/** What a connection does for other programs beside being written to. */
export interface PeerActions {
  readonly change: (change: "join" | "leave", connection: LocalConnection, room: unknown) => void
  readonly ask: (connection: LocalConnection, emission: Emission, answer: (data: unknown) => void) => void
}

type Answer = (data: unknown) => void

/** A stock server's `RemoteSocket` has one. Nothing of the client's own is in it: it brings tokens. */
const NO_HANDSHAKE = { headers: {}, query: {}, auth: {} }

/** A connection of this node with as much of Socket.IO's `Socket` as the stock adapter uses. */
export class PeerSocket {
  readonly id: string
  private readonly connection: LocalConnection
  private readonly actions: PeerActions
  private answer: Answer | undefined

  constructor(connection: LocalConnection, actions: PeerActions) {
    this.id = connection.id
    this.connection = connection
    this.actions = actions
  }

  get handshake(): object {
    return NO_HANDSHAKE
  }

  get data(): object {
    return {}
  }

  get rooms(): ReadonlySet<string> {
    return new Set([this.id, ...this.connection.applicationRooms])
  }

  /** `client.writeToEngine` and `acks.set` are its own: no object is made for them. */
  get client(): this {
    return this
  }

  get acks(): this {
    return this
  }

  /** Of a packet that asks to be acknowledged: called before it is written. */
  set(_packetId: number, answer: Answer): void {
    this.answer = answer
  }

  writeToEngine([emission]: readonly [Emission], options: { readonly volatile?: unknown }): void {
    const { answer, connection } = this
    if (answer !== undefined) {
      this.actions.ask(connection, emission, answer)
      return
    }
    const volatile = options.volatile === true
    emission.sent++
    if (connection.gate === null) connection.link.send(emission.outgoing(volatile))
    else connection.gate.hold(emission.publicationTo(this.id, volatile))
  }

  /** One room by a request of old, several by one of today. */
  join(rooms: unknown): void {
    for (const room of Array.isArray(rooms) ? rooms : [rooms]) this.actions.change("join", this.connection, room)
  }

  leave(room: unknown): void {
    this.actions.change("leave", this.connection, room)
  }

  disconnect(): void {
    this.connection.link.close(CLOSINGS.disconnected)
  }
}
