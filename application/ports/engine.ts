import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Publication } from "#domain/gate.ts"
import type { Message } from "#domain/message.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import type { History } from "#domain/room-rules.ts"

export interface Publish {
  readonly message: Message
  /** What each of `message.rooms` keeps, in the same order; undefined: not logged. */
  readonly histories: readonly (History | undefined)[]
  readonly idempotency: IdempotencyKey | undefined
}

/** Remembered for 10 minutes. */
export interface IdempotencyKey {
  readonly key: string
  /** Tells the same body from another. It may be as long as one: an engine keeps a hash. */
  readonly digest: string
  /** The user whose key it is, of whose an engine remembers MAX_KEYS_PER_USER; undefined: a backend's. */
  readonly userId?: string
}

export interface Published {
  /** The first publication's, where this one repeats it. */
  readonly id: string
  readonly epoch: string
  readonly offset: Offset
  readonly repeated: boolean
}

/**
 * What an engine tells the node. Plain functions that do not throw, called in order and, but for `missed`, never from
 * within one another: what is published from within one of them is delivered after it.
 */
export interface EngineEvents {
  /** A message came to a room that this node is subscribed to: once for each such room, in offset order, without gaps. */
  readonly deliver: (publication: Publication) => void
  /** Messages of the room are gone before this node could have them: its members here cannot go on. */
  readonly hole: (room: RoomName) => void
  /** The store began anew; `workedOff` and `epoch` already say so. */
  readonly newEpoch: () => void
  /** A session has a new owner: whoever holds it under a lower number has lost it. */
  readonly taken: (sessionId: string, owner: number) => void
  /**
   * This node heard nothing for a while, and hears again: takeovers and revocations may have passed it by; where its lease
   * had lapsed, others may have taken it for dead. The engine is not fresh before this is done; false: to be tried again.
   */
  readonly missed: (lapsed: boolean) => Promise<boolean>
}

/**
 * Carries messages to every node, logged ones by way of their rooms' logs.
 *
 * Contract (tests/contracts/engine-contract.ts):
 * - `publish` is one atomic step per partition: idempotency check, offset, append to each target room's log with that
 *   room's previous offset, hand to every subscribed node. It succeeds after the fact. A repeat of key and digest within
 *   10 minutes answers with the first id and offset and delivers nothing, also while the first is under way; another
 *   digest is refused.
 * - Offsets grow with each publish, reader or clock; whatever comes after `clock` answered is above its answer.
 * - After `subscribe` succeeded, every later publication to the room reaches `deliver`, own ones too.
 * - Everything up to `workedOff[p]` was handed to `deliver`, in each partition p; from within `deliver` that includes the
 *   publication in hand. It never goes back within an epoch. The array stays the same one, its items change.
 */
export class Engine extends Context.Service<
  Engine,
  {
    readonly partitions: number
    readonly partitionOf: (room: RoomName) => number
    /** Names the store's unbroken life, in a position. */
    readonly epoch: () => string
    /** The same for one partition, in an offset. */
    readonly epochOf: (partition: number) => string
    readonly workedOff: readonly Offset[]
    /** How long a room's newest offset is remembered at least: a position older than that cannot be recovered from. */
    readonly recordTtlMs: number
    /** Whether the subscription is known to work: `recovered: true` is answered only then, and readiness needs it. */
    readonly isFresh: () => boolean
    /** Called once, before anything else. */
    readonly start: (events: EngineEvents) => void
    readonly publish: (
      publish: Publish,
    ) => Effect.Effect<
      Published,
      Refused<"engine_unavailable" | "idempotency_key_reused" | "overloaded" | "rate_limited">
    >
    readonly subscribe: (room: RoomName) => Effect.Effect<void, Refused<"engine_unavailable">>
    readonly unsubscribe: (room: RoomName) => void
    readonly clock: (partition: number) => Effect.Effect<Offset, Refused<"engine_unavailable">>
  }
>()("roomcast/application/ports/engine") {}
