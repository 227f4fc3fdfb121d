import { getLogger, type LogLevel } from "@logtape/logtape"
import * as Cause from "effect/Cause"
import * as Logger from "effect/Logger"
import type * as EffectLevel from "effect/LogLevel"
import * as References from "effect/References"
import { LINE_NAMES } from "./log-line.ts"
import { PlainRecord } from "./plain-value.ts"

/** The annotation that names the folder a record comes from: `["adapters", "redis"]`. */
const CATEGORY = "category"

const LEVELS: Record<EffectLevel.LogLevel, LogLevel> = {
  All: "trace",
  Trace: "trace",
  Debug: "debug",
  Info: "info",
  Warn: "warning",
  Error: "error",
  Fatal: "fatal",
  None: "fatal",
}

const categoryOf = (annotation: unknown): [string, ...string[]] => {
  const folders = Array.isArray(annotation) ? annotation.filter((folder) => typeof folder === "string") : []
  return folders.length === 0 ? ["roomcast", "application"] : ["roomcast", ...folders]
}

const isRecord = (value: unknown): value is object => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** A getter may throw; a record that cannot be read must not stop what logs it. */
const entriesOf = (record: object): readonly (readonly [string, unknown])[] => {
  try {
    return Object.entries(record)
  } catch {
    return [["value", "[unreadable]"]]
  }
}

/**
 * Hands what is logged with `Effect.log*` to LogTape, plain, bounded and redacted, so that no sink sees anything else.
 * Objects in the message, annotations and spans become properties; the text is no template: braces stand for themselves.
 */
export const effectLogger = (redact: boolean): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const { [CATEGORY]: category, ...annotations } = fiber.getRef(References.CurrentLogAnnotations)
    const texts: string[] = []
    const entries: (readonly [string, unknown])[] = []
    for (const part of Array.isArray(message) ? message : [message]) {
      if (isRecord(part)) entries.push(...entriesOf(part))
      else if (part instanceof Error) entries.push(["error", part])
      else if (Cause.isCause(part)) entries.push(["cause", part])
      else if (typeof part === "object" && part !== null) entries.push(["value", part])
      else texts.push(String(part))
    }
    entries.push(...Object.entries(annotations))
    for (const [name, startedAt] of fiber.getRef(References.CurrentLogSpans))
      entries.push([`${name}Ms`, date.getTime() - startedAt])
    if (cause.reasons.length > 0) entries.push(["cause", cause])
    const plain = new PlainRecord(redact)
    const text = plain.text(texts.join(" "))
    getLogger(categoryOf(category)).emit({
      level: LEVELS[logLevel],
      message: [text],
      rawMessage: text,
      timestamp: date.getTime(),
      properties: plain.properties(entries, LINE_NAMES),
    })
  })
