import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import type { Entry, Session } from "#domain/session.ts"

/** A session as it was read: dropped then (undefined: it has a connection), seen now, by the store's clock in ms. */
export interface StoredSession {
  readonly session: Session
  readonly droppedAt: number | undefined
  readonly now: number
}

/** How often a session that is held is renewed. */
export const RENEWED_EACH_MS = 900_000

/** Beyond the recovery window, for a client that has begun to return and is not in the directory yet. */
export const EXPELLED_MARGIN_MS = 60_000

type Unavailable = Refused<"engine_unavailable">

/**
 * Sessions, each with one numbered owner. Whoever is not its owner any more writes nothing: the write answers false.
 * A takeover names the number that it read, raises it, and is told to every node (`EngineEvents.taken`) in the same
 * step; it answers undefined where somebody else was faster. A dropped session is kept for the recovery window.
 * Contract: tests/contracts/session-store-contract.ts.
 */
export class SessionStore extends Context.Service<
  SessionStore,
  {
    readonly open: (session: Session) => Effect.Effect<void, Unavailable>
    readonly read: (id: string) => Effect.Effect<StoredSession | undefined, Unavailable>
    readonly take: (
      read: Session,
      by: { readonly node: string; readonly connectionId: string },
    ) => Effect.Effect<Session | undefined, Unavailable>
    readonly join: (id: string, owner: number, room: RoomName, entry: Entry) => Effect.Effect<boolean, Unavailable>
    readonly leave: (id: string, owner: number, room: RoomName) => Effect.Effect<boolean, Unavailable>
    /** It is held still, and so lives on; `taken`: it has another owner; `gone`: the store has it no more. */
    readonly renew: (id: string, owner: number) => Effect.Effect<"renewed" | "taken" | "gone", Unavailable>
    /** Both name the connection too: a takeover without an answer may be another's, under the same number. */
    readonly drop: (id: string, owner: number, connectionId: string) => Effect.Effect<boolean, Unavailable>
    /** Ends it for good: its client was sent away. True also where there is none any more. */
    readonly end: (id: string, owner: number, connectionId: string) => Effect.Effect<boolean, Unavailable>
    /** The user is taken out of a room that it joined before `at`: remembered for as long as its client may be away. */
    readonly expel: (userId: string, room: RoomName, at: Offset) => Effect.Effect<void, Unavailable>
    /** Of these rooms those that the user was taken out of, and at what offset the last time. */
    readonly expelledAt: (
      userId: string,
      rooms: readonly RoomName[],
    ) => Effect.Effect<ReadonlyMap<RoomName, Offset>, Unavailable>
  }
>()("roomcast/application/ports/session-store") {}
