import * as Cause from "effect/Cause"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

interface CapturedLog {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
  /** Pretty-printed; empty without one. */
  readonly cause: string
}

export interface CapturedLogs {
  readonly layer: Layer.Layer<never>
  readonly entries: CapturedLog[]
  /** Everything that was logged, for "is this anywhere in it". */
  readonly text: () => string
}

/** Keeps every log entry from debug up, and prints none. */
export const capturedLogs = (): CapturedLogs => {
  const entries: CapturedLog[] = []
  const logger = Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
    const parts: readonly unknown[] = Array.isArray(message) ? message : [message]
    entries.push({
      level: logLevel,
      message: parts.map(String).join(" "),
      annotations: { ...fiber.getRef(References.CurrentLogAnnotations) },
      cause: cause.reasons.length > 0 ? Cause.pretty(cause) : "",
    })
  })
  return {
    layer: Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Debug")),
    entries,
    text: () => JSON.stringify(entries),
  }
}
