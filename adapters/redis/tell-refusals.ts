import * as Effect from "effect/Effect"
import { LOG } from "./log.ts"

/** What a full server refuses comes thousands of times a second: each kind is told once in so long. */
const EACH_MS = 30_000
/** Of a server's words none but the first tells kinds apart; more than these are one kind. */
const MAX_KINDS = 20

/**
 * Logs what a server refuses to do, in its own words (`OOM`, `MISCONF`, `NOPERM` …): clients are told only that the engine
 * did not answer, and nothing else would say why.
 */
export const tellRefusals = Effect.fnUntraced(function* () {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const toldAt = new Map<string, number>()
  return (command: string, reason: string): void => {
    const [word = ""] = reason.split(" ", 1)
    const kind = toldAt.has(word) || toldAt.size < MAX_KINDS ? word : ""
    const now = Date.now()
    if (now - (toldAt.get(kind) ?? 0) < EACH_MS) return
    toldAt.set(kind, now)
    run(Effect.annotateLogs(Effect.logError("Redis refuses a command"), { command, reason, ...LOG }))
  }
})
