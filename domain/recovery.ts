import { type Offset, offsetToMs, type Position } from "./offset.ts"

/** What a log says about the time after a cursor. */
export interface LogState {
  /** The previous offset that the first entry after the cursor carries; undefined: there is no such entry. */
  readonly firstPrevious: Offset | undefined
  /** The room's newest offset, of logged and unlogged messages alike. */
  readonly newest: Offset
}

/**
 * A log is whole from a cursor if its first entry after it follows something not newer than the cursor; with no such
 * entry, if the room's newest message is not newer. Trimming, age, expiry, clearing and re-creation all come out right.
 */
export const isWholeFrom = (cursor: Offset, log: LogState): boolean => (log.firstPrevious ?? log.newest) <= cursor

/**
 * The record of a room's newest offset outlives its log and expires by its own offset. Where it is missing, the room's
 * newest is older than that: the clock less the record's time to live stands for it.
 */
export const newestWithoutRecord = (clock: Offset, recordTtlMs: number): Offset => clock - recordTtlMs * 1000

const CLOCK_SKEW_MS = 60_000

/**
 * Whether a position can be of this store: the right number of partitions, and nothing from the future of any. What was
 * worked off there may be ahead of the time, for that may go back, and offsets do not.
 */
export const isBelievable = ({ offsets }: Position, workedOff: readonly Offset[], nowMs: number): boolean =>
  offsets.length === workedOff.length &&
  offsets.every((offset, i) => offsetToMs(offset) <= Math.max(nowMs, offsetToMs(workedOff[i] ?? 0)) + CLOCK_SKEW_MS)

/** Whether a session that was dropped then (undefined: not dropped) can be recovered now. */
export const isWithinWindow = (droppedAtMs: number | undefined, nowMs: number, windowMs: number): boolean =>
  droppedAtMs === undefined || nowMs - droppedAtMs <= windowMs
