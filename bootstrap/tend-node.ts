import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { RENEWED_EACH_MS } from "#application/ports/session-store.ts"
import { reconcileDirectory } from "#application/use-cases/reconcile-directory.ts"
import { renewSessions } from "#application/use-cases/renew-sessions.ts"
import { tendConnections } from "#application/use-cases/tend-connections.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import { LOG } from "./log.ts"

const TENDED_EACH_MS = 1_000

/** Again and again; an engine that is away is met again the next time, and complained of the first time only. */
const tended = <E, R>(work: Effect.Effect<void, E, R>, eachMs: number): Effect.Effect<unknown, E, R> => {
  let isFailing = false
  const told = (failing: boolean): boolean => {
    const isNew = failing && !isFailing
    isFailing = failing
    return isNew
  }
  return work.pipe(
    Effect.andThen(Effect.sync(() => told(false))),
    Effect.catchCauseIf(
      (cause) => !Cause.hasInterruptsOnly(cause),
      (cause) =>
        Effect.suspend(() =>
          told(true)
            ? Effect.annotateLogs(Effect.logWarning("connections could not be tended", cause), LOG)
            : Effect.void,
        ),
    ),
    Effect.repeat(Schedule.spaced(eachMs)),
  )
}

/** What a node does by the clock, as long as it runs. */
export const tendNode = Effect.all(
  [
    tended(tendConnections(), TENDED_EACH_MS),
    tended(tendDepartures(), TENDED_EACH_MS),
    tended(Effect.andThen(renewSessions(), reconcileDirectory()), RENEWED_EACH_MS),
  ],
  { concurrency: "unbounded", discard: true },
)
