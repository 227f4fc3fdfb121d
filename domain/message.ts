import type { Offset } from "./offset.ts"
import type { RoomName } from "./room.ts"

/** Who of the target does not get a message. */
export interface Except {
  readonly rooms: readonly RoomName[]
  readonly users: readonly string[]
  /** Any id that the connection's session had. */
  readonly connections: readonly string[]
}

/**
 * A message to rooms in several partitions is published in one partition after the other. Each step carries those before
 * it, for whoever is in rooms of both is to get it once, also where a join came between them.
 */
export interface Spread {
  readonly before: readonly { readonly rooms: readonly RoomName[]; readonly offset: Offset }[]
  /** Its rooms in this step's partition. */
  readonly here: readonly RoomName[]
}

/** A message on its way: made once, never changed, delivered by every node that has a member of one of its rooms. */
export interface Message {
  readonly id: string
  readonly event: string
  /** JSON text, encoded once where the message was made. */
  readonly data: string
  /** When it was accepted, ms since 1970. */
  readonly ts: number
  /** The user who published it, where a client did. */
  readonly sender: string | undefined
  /** Every room that it goes to, users', connections' and everybody's own rooms included, each once. */
  readonly rooms: readonly RoomName[]
  readonly except: Except | undefined
  /** Not logged, not recovered, dropped where a client is behind. */
  readonly volatile: boolean
  /** Not replayed, and by whoever was behind not delivered, after this, ms since 1970. */
  readonly expiresAt: number | undefined
  /** Of a message to rooms in several partitions. */
  readonly spread?: Spread | undefined
}

/** A message as answers give it, in acks and in HTTP. */
export interface MessageView {
  readonly id: string
  readonly event: string
  readonly data: unknown
  readonly room: string
  readonly ts: number
  readonly sender?: string
  readonly offset: string
}

export const isExpired = ({ expiresAt }: Message, nowMs: number): boolean =>
  expiresAt !== undefined && expiresAt <= nowMs

export const messageView = (message: Message, room: RoomName, offset: string): MessageView => ({
  id: message.id,
  event: message.event,
  data: JSON.parse(message.data),
  room,
  ts: message.ts,
  ...(message.sender !== undefined && { sender: message.sender }),
  offset,
})

/** About what a message weighs in memory and on the wire, in bytes: its data and some 200 of everything else. */
export const messageBytes = (message: Message): number => 200 + message.data.length + message.event.length
