import type { Gate, Publication } from "./gate.ts"
import type { Except, Message } from "./message.ts"
import type { Offset } from "./offset.ts"
import { type Member, member } from "./presence.ts"
import { connectionRoom, EVERYBODY, isGatewayRoom, type RoomName, userRoom } from "./room.ts"
import type { Entry } from "./session.ts"
import type { User } from "./user.ts"

/** Messages over several partitions that a connection remembers. */
export const MAX_REMEMBERED = 1_000

export interface ConnectionInit {
  readonly id: string
  readonly user: User
  readonly connectedAt: number
  readonly address: string
  readonly transport: string
  /** Undefined for a client that asked for no positions (`meta: false`): it cannot recover. */
  readonly session: { readonly id: string; readonly owner: number } | undefined
  /** Its own id last, after those that its session had before. */
  readonly ids: readonly string[]
  readonly rooms: Iterable<readonly [RoomName, Entry]>
  readonly floor: readonly Offset[]
}

/**
 * One client's connection on this node: who it is, what rooms it is in, and how far it was sent what it is owed.
 *
 * The invariant rests on `floor` and `gate`: everything up to `floor` was sent in each partition;
 * while `gate` is closed (not null) live messages wait in it; with it open, everything that the node has worked off was
 * sent too.
 */
export class Connection {
  readonly id: string
  readonly connectedAt: number
  readonly address: string
  transport: string
  user: User
  readonly session: { readonly id: string; readonly owner: number } | undefined
  readonly ids: readonly string[]
  readonly rooms: Map<RoomName, Entry>
  floor: Offset[]
  gate: Gate | null = null
  /** When it was last sent a position, ms since 1970. */
  positionSentAt: number
  /** Since when it lives by the token that it has now, ms since 1970. */
  tokenSince: number
  /** The gateway said that its token is about to end. */
  warnedOfExpiry = false
  closed = false
  /** Ids of the last messages over several partitions that it was sent, for a leave can come between their steps. */
  private had: Set<string> | undefined

  constructor(init: ConnectionInit) {
    this.id = init.id
    this.user = init.user
    this.connectedAt = init.connectedAt
    this.positionSentAt = init.connectedAt
    this.tokenSince = init.connectedAt
    this.address = init.address
    this.transport = init.transport
    this.session = init.session
    this.ids = init.ids
    this.rooms = new Map(init.rooms)
    this.floor = [...init.floor]
  }

  get userId(): string {
    return this.user.claims.userId
  }

  /** As others see it: its rooms, handlers, the backend. */
  get member(): Member {
    return member(this.userId, this.id, this.user.claims.info)
  }

  /** The application's rooms that it is in, in the order joined. */
  get applicationRooms(): RoomName[] {
    return [...this.rooms.keys()].filter((room) => !isGatewayRoom(room))
  }

  /** How many those are. */
  get applicationRoomCount(): number {
    let count = this.rooms.size
    for (const own of [connectionRoom(this.id), userRoom(this.userId), EVERYBODY]) if (this.rooms.has(own)) count--
    return count
  }

  /** Everything up to here, in each partition, was sent: what an open connection's position says. */
  sentUpTo(workedOff: readonly Offset[]): Offset[] {
    return this.gate === null ? this.floor.map((offset, i) => Math.max(offset, workedOff[i] ?? 0)) : [...this.floor]
  }

  hasHad(messageId: string): boolean {
    return this.had?.has(messageId) === true
  }

  /** It is sent this message: the next step of it is not owed, whatever the connection is in by then. */
  remember({ id, spread }: Message): void {
    if (spread === undefined) return
    this.had ??= new Set()
    this.had.add(id)
    const [oldest] = this.had
    if (this.had.size > MAX_REMEMBERED && oldest !== undefined) this.had.delete(oldest)
  }

  /** From here on live messages wait. Closing a closed gate changes nothing. */
  closeGate(gate: () => Gate, workedOff: readonly Offset[]): Gate {
    if (this.gate === null) {
      this.floor = this.sentUpTo(workedOff)
      this.gate = gate()
    }
    return this.gate
  }
}

const isExcepted = (connection: Connection, except: Except): boolean =>
  except.users.includes(connection.userId) ||
  except.connections.some((id) => connection.ids.includes(id)) ||
  except.rooms.some((room) => connection.rooms.has(room))

type IsLogged = (room: RoomName) => boolean

/** The first of these logged rooms, else the first of these, that the connection was in by that offset. */
const roomAmong = (
  { rooms }: Connection,
  names: readonly RoomName[],
  offset: Offset,
  isLogged: IsLogged,
): RoomName | undefined => {
  let first: RoomName | undefined
  for (const name of names) {
    const entry = rooms.get(name)
    if (entry === undefined || entry.at >= offset) continue
    if (isLogged(name)) return name
    first ??= name
  }
  return first
}

const never: IsLogged = () => false

/**
 * The room through which the connection gets this step of a message: the first of the message's logged rooms that it is
 * in, else the first. A message from before the connection joined a room is not owed through that room.
 */
export const roomFor = (
  connection: Connection,
  { rooms, spread, volatile }: Message,
  offset: Offset,
  isLogged: IsLogged,
): RoomName | undefined => {
  const logs = volatile ? never : isLogged
  const here = roomAmong(connection, spread?.here ?? rooms, offset, logs)
  if (here === undefined || spread === undefined) return here
  const earlier = spread.before.map((step) => roomAmong(connection, step.rooms, step.offset, logs))
  const isOwedEarlier = earlier.some((room) => room !== undefined && (logs(room) || !logs(here)))
  if (isOwedEarlier) return undefined
  // A later step is logged, and so is the one that is sure to come.
  const isOwedLogged = !logs(here) && rooms.some((room) => logs(room) && connection.rooms.has(room))
  return isOwedLogged ? undefined : here
}

/** Whether this publication is the one by which the connection gets its message, live or in a replay. */
export const isOwed = (
  connection: Connection,
  publication: Publication,
  logged: boolean,
  isLogged: IsLogged,
): boolean => {
  const { message, offset, partition, room } = publication
  if (logged && offset <= (connection.floor[partition] ?? 0)) return false
  if (message.except !== undefined && isExcepted(connection, message.except)) return false
  if (message.spread !== undefined && connection.hasHad(message.id)) return false
  if (message.rooms.length > 1) return roomFor(connection, message, offset, isLogged) === room
  const entry = connection.rooms.get(room)
  return entry !== undefined && entry.at < offset
}
