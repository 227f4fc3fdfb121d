import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Member } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"

/** A connection as everybody may look it up; `rooms` are the application's, in the order joined. */
export interface ConnectionEntry {
  readonly connectionId: string
  readonly userId: string
  readonly node: string
  readonly transport: string
  readonly address: string
  readonly rooms: readonly RoomName[]
  /** ms since 1970 */
  readonly connectedAt: number
  readonly info?: unknown
}

export interface Page<A> {
  readonly items: readonly A[]
  /** Give it back for the next page; undefined: this was the last. Opaque. */
  readonly nextCursor: string | undefined
}

export interface PageRequest {
  readonly limit: number
  readonly cursor: string | undefined
}

export interface RoomEntry {
  readonly room: string
  readonly memberCount: number
}

/** A connection and the node that holds it. */
export interface Located {
  readonly connectionId: string
  readonly node: string
}

export interface Registered {
  /** Rooms that those replaced were members of still: nobody was or will be told that they left. */
  readonly formerRooms: readonly RoomName[]
  /** How many connections its user has online now, this one included. */
  readonly count: number
}

type Unavailable = Refused<"engine_unavailable">

/**
 * Who is connected where, and in which rooms: the answer to every look-up, cluster-wide. A connection that dropped stays
 * a member of its rooms for the presence grace; it counts as online no more. Pages are stable while nothing changes,
 * rooms by name, members in the order of joining; an unknown cursor is the beginning. What comes late, for a connection
 * that was removed, does nothing. `register`, `remove` and `takeDeparted` that failed and are asked for again answer what
 * they have changed the first time too, so that it can be told. Contract: tests/contracts/connection-directory-contract.ts.
 */
export class ConnectionDirectory extends Context.Service<
  ConnectionDirectory,
  {
    /** In one step with forgetting the connections that it takes the place of. */
    readonly register: (entry: ConnectionEntry, replaced?: readonly string[]) => Effect.Effect<Registered, Unavailable>
    /** It dropped: a member for so long still, then `takeDeparted` gives it. One that is in no room is forgotten at once. */
    readonly depart: (connectionId: string, graceMs: number) => Effect.Effect<void, Unavailable>
    /** What it was, departed or not; undefined: there was none. */
    readonly remove: (connectionId: string) => Effect.Effect<ConnectionEntry | undefined, Unavailable>
    /** Whose grace is over, the longest first: each is forgotten by this and given to one caller, who says that it left. */
    readonly takeDeparted: (limit: number) => Effect.Effect<readonly ConnectionEntry[], Unavailable>
    /** False: it is not online, and so not in. */
    readonly join: (connectionId: string, room: RoomName) => Effect.Effect<boolean, Unavailable>
    /** False: it was not in. */
    readonly leave: (connectionId: string, room: RoomName) => Effect.Effect<boolean, Unavailable>
    readonly changeTransport: (connectionId: string, transport: string) => Effect.Effect<void, Unavailable>
    readonly connection: (connectionId: string) => Effect.Effect<ConnectionEntry | undefined, Unavailable>
    readonly connections: (
      filter: { readonly userId?: string | undefined; readonly room?: string | undefined },
      page: PageRequest,
    ) => Effect.Effect<Page<ConnectionEntry>, Unavailable>
    /** The ids of this node's: what it registered and is online. A page may hold more than its limit, and an id come twice. */
    readonly registeredHere: (page: PageRequest) => Effect.Effect<Page<string>, Unavailable>
    readonly connectionsOf: (userId: string) => Effect.Effect<readonly ConnectionEntry[], Unavailable>
    readonly countOf: (userId: string) => Effect.Effect<number, Unavailable>
    readonly rooms: (
      filter: { readonly prefix?: string | undefined },
      page: PageRequest,
    ) => Effect.Effect<Page<RoomEntry>, Unavailable>
    readonly memberCount: (room: RoomName) => Effect.Effect<number, Unavailable>
    readonly members: (room: RoomName, page: PageRequest) => Effect.Effect<Page<Member>, Unavailable>
    /** Connections in any of these rooms (users', connections' and everybody's own too), each once, at most `limit + 1`. */
    readonly locate: (rooms: readonly RoomName[], limit: number) => Effect.Effect<readonly Located[], Unavailable>
  }
>()("roomcast/application/ports/connection-directory") {}
