import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Message } from "#domain/message.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"

/** Read on from after this offset of this room. */
export interface Cursor {
  readonly room: RoomName
  readonly after: Offset
}

export interface LogEntry {
  readonly offset: Offset
  /** The room's offset before this one, logged or not. */
  readonly previous: Offset
  readonly message: Message
}

export interface RoomPage {
  readonly room: RoomName
  readonly newest: Offset
  /** The bounds ended this page: there may be more entries. */
  readonly more: boolean
  /** In offset order. */
  readonly entries: readonly LogEntry[]
}

export interface LogPage {
  readonly epoch: string
  /** The partition's clock at this read; what was published before it is at or below it. */
  readonly clock: Offset
  /** Every room that was asked for, in that order. */
  readonly rooms: readonly RoomPage[]
}

export interface LogSurvey {
  readonly epoch: string
  readonly clock: Offset
  /** Every room's log is whole from its cursor, by the rule of domain/recovery.ts. */
  readonly whole: boolean
  /** Entries after the cursors, counted up to `atMost + 1`. */
  readonly missed: number
}

export interface LastMessages {
  readonly epoch: string
  readonly clock: Offset
  readonly entries: readonly LogEntry[]
  /** `bytes` left some out that `entries` would have allowed. */
  readonly cut: boolean
}

/**
 * The rooms' histories. Entries older than a room's history allows, or more than it keeps, are never answered. All
 * cursors of a call are of one partition. Contract: tests/contracts/message-log-contract.ts.
 */
export class MessageLog extends Context.Service<
  MessageLog,
  {
    /** At most `entries` and about `bytes` of each room, at least one entry where there is one. */
    readonly read: (
      partition: number,
      cursors: readonly Cursor[],
      bounds: { readonly entries: number; readonly bytes: number },
    ) => Effect.Effect<LogPage, Refused<"engine_unavailable">>
    readonly survey: (
      partition: number,
      cursors: readonly Cursor[],
      atMost: number,
    ) => Effect.Effect<LogSurvey, Refused<"engine_unavailable">>
    /** The room's newest entries up to an offset, oldest first; about `bytes` of them, at least one where there is one. */
    readonly last: (
      room: RoomName,
      upTo: Offset,
      bounds: { readonly entries: number; readonly bytes: number },
    ) => Effect.Effect<LastMessages, Refused<"engine_unavailable">>
    /** Forgets the room's messages, not that there were some: nobody is told that it missed nothing. */
    readonly clear: (room: RoomName) => Effect.Effect<void, Refused<"engine_unavailable">>
    /** The room's newest offset, where a record of it is left, and how many entries it keeps. */
    readonly describe: (
      room: RoomName,
    ) => Effect.Effect<{ readonly newest: Offset | undefined; readonly size: number }, Refused<"engine_unavailable">>
  }
>()("roomcast/application/ports/message-log") {}
