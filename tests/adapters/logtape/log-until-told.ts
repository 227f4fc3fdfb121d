import process from "node:process"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { logtapeLogger } from "#adapters/logtape/logtape-logger.ts"

/** Logs about 20 MB, a little at a time, to whatever its standard output is; then says so on standard error. */
const runtime = ManagedRuntime.make(logtapeLogger({ node: "n1", level: "info", format: "json", redact: true }))
const text = "some words ".repeat(330)
for (let n = 0; n < 5_000; n++) {
  await runtime.runPromise(Effect.logInfo(text, { n }))
  if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
}
await runtime.dispose()
process.stderr.write(`done, waiting: ${process.stdout.writableLength}\n`)
