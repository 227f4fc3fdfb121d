/** Who a connection is, as presence shows it. */
export interface Member {
  readonly userId: string
  readonly connectionId: string
  readonly info?: unknown
}

/** At most this many members, messages or list items in one answer. */
export const MAX_PAGE = 1_000
export const DEFAULT_PAGE = 100

export const member = (userId: string, connectionId: string, info: unknown): Member =>
  info === undefined ? { userId, connectionId } : { userId, connectionId, info }
