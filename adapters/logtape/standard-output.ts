import process from "node:process"
import { Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** What may wait for a reader that is slow or stands still; more is lost and counted. */
export const MAX_WAITING_BYTES = 4_194_304
const FLUSH_MS = 1_000

interface DenoStdout {
  readonly stdout: { readonly write: (bytes: Uint8Array) => Promise<number> }
}

const isDeno = (value: unknown): value is DenoStdout =>
  typeof value === "object" && value !== null && "stdout" in value && typeof value.stdout === "object"

/**
 * The process's standard output as a stream that never blocks. Deno 2.9's `process.stdout` does, on a pipe that nobody
 * reads, and the gateway with it; its own `Deno.stdout` does not.
 */
export const standardStream = (): Writable => {
  const deno: unknown = Reflect.get(globalThis, "Deno")
  if (!isDeno(deno)) return process.stdout
  const writeAll = async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.length; ) at += await deno.stdout.write(bytes.subarray(at))
  }
  return new Writable({
    write: (chunk, _, done) => {
      writeAll(chunk).then(() => done(), done)
    },
  })
}

/**
 * Writes lines to a stream, bounded: it neither waits nor throws. What is lost is told on standard error, once until
 * lines can be written again.
 */
export const outputTo = (stream: Writable): Effect.Effect<(line: string) => void, never, Scope.Scope> =>
  Effect.gen(function* () {
    let lost = 0
    let broken = false
    const tell = (message: string) => process.stderr.write(`${message}\n`)
    const onError = (error: Error): void => {
      if (!broken) tell(`the log cannot be written to standard output: ${error.message}`)
      broken = true
    }
    stream.on("error", onError)
    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        if (broken) resume(Effect.void)
        else stream.write("", () => resume(Effect.void))
      }).pipe(Effect.timeoutOption(FLUSH_MS), Effect.andThen(Effect.sync(() => stream.off("error", onError)))),
    )
    return (line) => {
      if (broken) return
      if (stream.writableLength > MAX_WAITING_BYTES) {
        if (lost === 0) tell("log records are lost: nobody reads standard output fast enough")
        lost += 1
        return
      }
      if (lost > 0) tell(`log records were lost, ${lost} of them: standard output is read again`)
      lost = 0
      stream.write(`${line}\n`)
    }
  })
