import type { ConnectionEntry } from "#application/ports/connection-directory.ts"
import type { RoomName } from "#domain/room.ts"

const NO_ROOMS: readonly RoomName[] = []

/** One connection as the directory keeps it. */
export class HeldConnection {
  readonly connectionId: string
  readonly userId: string
  readonly node: string
  transport: string
  readonly address: string
  readonly connectedAt: number
  readonly info: unknown
  /** Grows with each registration. */
  readonly number: number
  /** Never changed in place: an answer shares it, and a copy is as small as an array gets. */
  rooms: readonly RoomName[] = NO_ROOMS
  /** When its presence grace is over, ms since 1970; undefined: it is online. */
  departsAt: number | undefined

  constructor(entry: ConnectionEntry, number: number) {
    this.connectionId = entry.connectionId
    this.userId = entry.userId
    this.node = entry.node
    this.transport = entry.transport
    this.address = entry.address
    this.connectedAt = entry.connectedAt
    this.info = entry.info
    this.number = number
  }

  entry(): ConnectionEntry {
    return {
      connectionId: this.connectionId,
      userId: this.userId,
      node: this.node,
      transport: this.transport,
      address: this.address,
      rooms: this.rooms,
      connectedAt: this.connectedAt,
      ...(this.info !== undefined && { info: this.info }),
    }
  }
}
