import process from "node:process"
import type { Writable } from "node:stream"
import { type Config, configureSync, type LogLevel, type LogRecord, resetSync } from "@logtape/logtape"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as EffectLevel from "effect/LogLevel"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { effectLogger } from "./effect-logger.ts"
import type { FileOptions } from "./log-files.ts"
import { jsonLine, LINE_NAMES, type LogLine, prettyLine } from "./log-line.ts"
import { PlainRecord } from "./plain-value.ts"
import { RotatingFile } from "./rotating-file.ts"
import { outputTo, standardStream } from "./standard-output.ts"

export interface LogOptions {
  /** The instance id that each JSON line has. */
  readonly node: string
  readonly level: LogLevel
  /** Of standard output; the file always has JSON lines. */
  readonly format: "json" | "pretty"
  readonly file?: FileOptions
  /** Off only where logs may hold secrets and personal data. */
  readonly redact: boolean
}

/** The log file cannot be opened: the gateway does not start. */
export class LogFileFailed extends Data.TaggedError("LogFileFailed")<{ readonly message: string }> {}

const EFFECT_LEVELS: Record<LogLevel, EffectLevel.LogLevel> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warning: "Warn",
  error: "Error",
  fatal: "Fatal",
}

const MAX_SWEEP_MS = 3_600_000
const MIN_SWEEP_MS = 20

const openFile = (options: FileOptions): Effect.Effect<RotatingFile, LogFileFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const file = new RotatingFile(options, (message) => process.stderr.write(`${message}\n`))
    yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () => file.open(),
        catch: (error) => new LogFileFailed({ message: `log.file.path cannot be opened: ${String(error)}` }),
      }),
      () => Effect.promise(() => file.close()),
    )
    if (options.maxAgeMs > 0) {
      const every = Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, options.maxAgeMs / options.maxFiles))
      yield* Effect.promise(() => file.sweep()).pipe(
        Effect.andThen(Effect.sleep(every)),
        Effect.forever,
        Effect.forkScoped,
      )
    }
    return file
  })

/** What came through the bridge is plain and redacted; LogTape's own records, about itself, are made so here. */
const lineOf = (
  { category, level, message, properties, timestamp }: LogRecord,
  { node, redact }: Pick<LogOptions, "node" | "redact">,
): LogLine => {
  const line = { time: timestamp, level, node, category }
  if (category[0] === "roomcast") return { ...line, message: message.join(""), properties }
  const plain = new PlainRecord(redact)
  const text = plain.text(message.map(String).join(""))
  return { ...line, message: text, properties: plain.properties(Object.entries(properties), LINE_NAMES) }
}

type Configuration = Config<string, string>
/** LogTape has one configuration in a process: the newest that is in use. */
const inUse: Configuration[] = []

const applyNewest = (): void => {
  const newest = inUse.at(-1)
  if (newest === undefined) resetSync()
  else configureSync({ ...newest, reset: true })
}

const use = (configuration: Configuration): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      inUse.push(configuration)
      applyNewest()
    }),
    () =>
      Effect.sync(() => {
        inUse.splice(inUse.indexOf(configuration), 1)
        applyNewest()
      }),
  )

const start = Effect.fnUntraced(function* (options: LogOptions, stream: Writable) {
  const { format, file, level } = options
  const print = yield* outputTo(stream)
  const log = file === undefined ? undefined : yield* openFile(file)
  const colors = stream === process.stdout && process.stdout.isTTY && process.env["NO_COLOR"] === undefined
  const sink = (record: LogRecord): void => {
    const line = lineOf(record, options)
    print(format === "json" ? jsonLine(line) : prettyLine(line, colors))
    log?.write(jsonLine(line))
  }
  yield* use({
    sinks: { lines: sink },
    loggers: [
      { category: ["roomcast"], lowestLevel: level, sinks: ["lines"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["lines"] },
    ],
  })
})

/**
 * What is logged with `Effect.log*` goes through LogTape to standard output and, where configured, a file. Both are
 * flushed when the layer is released. docs/logging.md.
 */
export const logtapeLogger = (
  options: LogOptions,
  stream: Writable = standardStream(),
): Layer.Layer<never, LogFileFailed> =>
  Layer.mergeAll(
    Layer.effectDiscard(start(options, stream)),
    Logger.layer([effectLogger(options.redact)]),
    Layer.succeed(References.MinimumLogLevel, EFFECT_LEVELS[options.level]),
  )
