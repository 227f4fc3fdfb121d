import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { Writable } from "node:stream"
import type * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { onTestFinished, vi } from "vitest"
import { type LogOptions, logtapeLogger } from "#adapters/logtape/logtape-logger.ts"

export interface Logged {
  /** Standard output. */
  readonly out: string
  readonly lines: readonly string[]
  /** Standard output, line by line, where it was JSON. */
  readonly records: readonly Record<string, unknown>[]
  readonly errors: string
  /** Every file of the log, together. */
  readonly files: string
}

export const OPTIONS = { node: "n1", level: "info", format: "json", redact: true } as const satisfies LogOptions

export const directory = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), "roomcast-log-"))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Keeps what is written to standard error. */
export const caughtErrors = (): string[] => {
  const written: string[] = []
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((chunk) => {
    written.push(String(chunk))
    return true
  })
  onTestFinished(() => spy.mockRestore())
  return written
}

/** A stream that keeps what is written to it. */
export const kept = (): { readonly stream: Writable; readonly text: () => string } => {
  let text = ""
  const stream = new Writable({
    write: (chunk, _, done) => {
      text += String(chunk)
      done()
    },
  })
  return { stream, text: () => text }
}

export const start = async (options: Partial<LogOptions>, stream: Writable) => {
  const runtime = ManagedRuntime.make(logtapeLogger({ ...OPTIONS, ...options }, stream))
  await runtime.context()
  return runtime
}

/** Runs something with the logger as the gateway has it, and gives all that it wrote once it was released. */
export const logged = async (options: Partial<LogOptions>, effect: Effect.Effect<unknown>): Promise<Logged> => {
  const { stream, text } = kept()
  const errors = caughtErrors()
  const folder = await directory()
  const file = { path: join(folder, "roomcast.log"), maxBytes: 1e9, maxFiles: 5, maxAgeMs: 0 }
  const runtime = await start({ file, ...options }, stream)
  await runtime.runPromise(effect)
  await runtime.dispose()
  const out = text()
  const lines = out.split("\n").filter((line) => line !== "")
  const names = (await readdir(folder)).sort()
  const files = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")))
  return {
    out,
    lines,
    records: options.format === "pretty" ? [] : lines.map((line) => JSON.parse(line)),
    errors: errors.join(""),
    files: files.join(""),
  }
}
