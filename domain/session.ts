import type { EnteredBy } from "./grant.ts"
import type { Offset } from "./offset.ts"
import type { RoomName } from "./room.ts"

/** How many of its past connection ids a session keeps, for `except` and `echo: false`. */
export const MAX_PAST_IDS = 32

/** Of a session that is new; a takeover raises it. */
export const FIRST_OWNER = 1

/** One room of a session: messages up to `at` are not owed. */
export interface Entry {
  readonly at: Offset
  readonly by: EnteredBy
}

/**
 * What outlives a dropped connection. `id` is a secret of its client (Socket.IO's `pid`). It has one owner at a time,
 * numbered: who takes it over raises the number, and writes under an older one do nothing.
 */
export interface Session {
  readonly id: string
  readonly owner: number
  readonly userId: string
  readonly node: string
  /** The ids that its connections had, newest last, at most MAX_PAST_IDS. */
  readonly connectionIds: readonly string[]
  readonly rooms: ReadonlyMap<RoomName, Entry>
  /** What the connect hook gave to be shown to others, in place of the token's; undefined: the token's. */
  readonly info: unknown
}

/** Ids are made of 160 random bits in base64url; anything else is not ours. */
export const isSessionId = (text: unknown): text is string => typeof text === "string" && /^[\w-]{27}$/.test(text)

export const withConnectionId = (ids: readonly string[], id: string): readonly string[] =>
  [...ids, id].slice(-MAX_PAST_IDS)
