/** How often a notice is tried before it is given up. */
export const NOTICE_TRIES = 3

/**
 * How long to wait after the failed try number `tries` (from 1), ms: `baseMs`, then four times that, and so on, each
 * spread over 50-150 %, so that what failed together does not come back together. `random` is in [0, 1).
 */
export const retryDelayMs = (tries: number, baseMs: number, random: number): number =>
  Math.round(baseMs * 4 ** (tries - 1) * (0.5 + random))
