import { setTimeout as sleep } from "node:timers/promises"

/** Polls until it is so; fails with what was waited for. The ceiling is for a busy machine, not a claim about speed. */
export const until = async (
  what: string,
  isSo: () => boolean | Promise<boolean>,
  ceilingMs = 15_000,
): Promise<void> => {
  for (const end = Date.now() + ceilingMs; Date.now() < end; await sleep(10)) if (await isSo()) return
  throw new Error(`waited ${ceilingMs} ms for: ${what}`)
}

/** Long enough for what should not come to have come. */
export const settle = (ms = 150): Promise<void> => sleep(ms)
