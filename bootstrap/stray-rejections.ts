import process from "node:process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Runtime } from "#adapters/http/endpoint.ts"
import { LOG } from "./log.ts"

/**
 * Logs promises that were rejected while nobody waited for them, in place of ending the process: a handler module that
 * forgot an `await` would else let any client end everybody's connections. Answers with what takes it off again.
 */
export const logStrayRejections = (runtime: Runtime): (() => void) => {
  const onRejection = (reason: unknown): void => {
    runtime.runFork(
      Effect.logError("a promise was rejected and nobody waited for it", Cause.die(reason)).pipe(
        Effect.annotateLogs(LOG),
      ),
    )
  }
  process.on("unhandledRejection", onRejection)
  return () => void process.off("unhandledRejection", onRejection)
}
