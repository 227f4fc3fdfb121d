import process from "node:process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** What may wait for a reader of standard output that is slow or stands still; more is lost and counted. */
export const MAX_WAITING_BYTES = 4_194_304
const FLUSH_MS = 1_000

/**
 * Standard output, which is asynchronous where it is a pipe, bounded. Told once what was lost, on standard error, and
 * again after it worked in between.
 */
export const standardOutput: Effect.Effect<(line: string) => void, never, Scope.Scope> = Effect.gen(function* () {
  const { stdout, stderr } = process
  let lost = 0
  let broken = false
  const onError = (error: Error): void => {
    if (!broken) stderr.write(`the log cannot be written to standard output: ${error.message}\n`)
    broken = true
  }
  stdout.on("error", onError)
  yield* Effect.addFinalizer(() =>
    Effect.callback<void>((resume) => {
      if (broken) resume(Effect.void)
      else stdout.write("", () => resume(Effect.void))
    }).pipe(Effect.timeoutOption(FLUSH_MS), Effect.andThen(Effect.sync(() => stdout.off("error", onError)))),
  )
  return (line) => {
    if (broken) return
    if (stdout.writableLength > MAX_WAITING_BYTES) {
      if (lost === 0) stderr.write("log records are lost: nobody reads standard output fast enough\n")
      lost += 1
      return
    }
    if (lost > 0) stderr.write(`${lost} log records were lost: nobody read standard output fast enough\n`)
    lost = 0
    stdout.write(`${line}\n`)
  }
})
