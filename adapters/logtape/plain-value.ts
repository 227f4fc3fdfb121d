import * as Cause from "effect/Cause"
import * as Redacted from "effect/Redacted"
import { utf8Length } from "#domain/name.ts"
import { isSensitiveField, REDACTED, redactText } from "./redaction.ts"

/** What a log line can hold. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain }

/** Bytes, as JSON, that a record's message and properties have together. */
export const MAX_RECORD_BYTES = 7_000
const MAX_TEXT = 4_000
const MAX_NAME = 100
const MAX_DEPTH = 6
const MAX_ITEMS = 50
const MAX_FRAMES = 15

const jsonBytes = (text: string): number => utf8Length(JSON.stringify(text))

/** The end of a long text that may hold half a token or address: back to the last space. */
const withoutLastWord = (text: string): string => {
  let end = text.length
  while (end > 0 && !/\s/.test(text[end - 1] ?? "")) end--
  return text.slice(0, end)
}

/**
 * Makes anything that is logged into plain, bounded, redacted data, for one record. Text is redacted before it is cut:
 * what is looked at is twice as long as what is shown.
 */
export class PlainRecord {
  private left = MAX_RECORD_BYTES
  private readonly above: object[] = []
  private readonly redact: boolean

  constructor(redact: boolean) {
    this.redact = redact
  }

  text(text: string, limit = MAX_TEXT): string {
    const head = text.slice(0, 2 * limit)
    const whole = head.length === text.length
    const seen = this.redact ? redactText(whole ? head : withoutLastWord(head)) : head
    let shown = seen.slice(0, limit)
    for (let bytes = jsonBytes(shown); shown !== "" && bytes > this.left; bytes = jsonBytes(shown))
      shown = shown.slice(0, Math.floor((shown.length * Math.max(0, this.left - 4)) / bytes))
    if (!whole || shown.length < seen.length) shown = `${shown.toWellFormed()}…[cut from ${text.length}]`
    this.left = Math.max(0, this.left - jsonBytes(shown))
    return shown
  }

  /** A name that was logged twice, or is one of the line's own, gets a `_`. */
  properties(entries: Iterable<readonly [string, unknown]>, reserved: readonly string[]): Record<string, Plain> {
    const taken = new Set(reserved)
    const properties: [string, Plain][] = []
    for (const [key, value] of entries) {
      if (value === undefined) continue
      if (properties.length >= MAX_ITEMS || this.left === 0) {
        properties.push(["…", "…"])
        break
      }
      let name = this.text(key, MAX_NAME)
      while (taken.has(name)) name += "_"
      taken.add(name)
      properties.push([name, this.field(key, value, 1)])
    }
    return Object.fromEntries(properties)
  }

  private field(name: string, value: unknown, depth: number): Plain {
    return this.redact && value !== null && isSensitiveField(name, value) ? REDACTED : this.value(value, depth)
  }

  private value(value: unknown, depth: number): Plain {
    if (this.left === 0) return "…"
    this.left = Math.max(0, this.left - 4)
    switch (typeof value) {
      case "string":
        return this.text(value)
      case "number":
        return Number.isFinite(value) ? value : String(value)
      case "boolean":
        return value
      case "bigint":
        return this.text(String(value))
      case "object":
        break
      default:
        return value === undefined ? null : `[${typeof value}]`
    }
    if (value === null) return null
    if (this.above.includes(value)) return "[circular]"
    if (depth > MAX_DEPTH) return "[deeper]"
    this.above.push(value)
    try {
      return this.object(value, depth)
    } catch {
      return "[unreadable]"
    } finally {
      this.above.pop()
    }
  }

  private object(value: object, depth: number): Plain {
    if (Cause.isCause(value)) return this.cause(value, depth)
    if (Redacted.isRedacted(value)) return REDACTED
    if (value instanceof Error) return this.error(value, depth)
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
    if (Array.isArray(value)) return this.items(value, depth)
    if (value instanceof Set) return this.items([...value], depth)
    if (value instanceof Map) return this.fields(value.entries(), depth)
    if ("toJSON" in value && typeof value.toJSON === "function") return this.value(value.toJSON(), depth + 1)
    return this.fields(Object.entries(value), depth)
  }

  private items(items: readonly unknown[], depth: number): Plain {
    const shown = items.slice(0, MAX_ITEMS).map((item) => this.value(item, depth + 1))
    return shown.length < items.length ? [...shown, `…[${items.length} in all]`] : shown
  }

  private fields(entries: Iterable<readonly [unknown, unknown]>, depth: number): Record<string, Plain> {
    const shown: [string, Plain][] = []
    for (const [key, value] of entries) {
      if (value === undefined) continue
      if (shown.length >= MAX_ITEMS || this.left === 0) {
        shown.push(["…", "…"])
        break
      }
      const name = String(key)
      shown.push([this.text(name, MAX_NAME), this.field(name, value, depth + 1)])
    }
    return Object.fromEntries(shown)
  }

  /** Its stack as frames only: the text before them repeats the message. */
  private error(error: Error, depth: number): Plain {
    const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line))
    const rest = [...Object.keys(error), "cause", "errors"].filter((key) => !/^(name|message|stack)$/.test(key))
    const own = [...new Set(rest)].map((key) => [key, Reflect.get(error, key)] as const)
    return {
      name: this.text(error.name, MAX_NAME),
      message: this.text(error.message),
      ...this.fields(own, depth),
      stack: frames.slice(0, MAX_FRAMES).map((frame) => this.text(frame.trim(), 300)),
    }
  }

  private cause(cause: Cause.Cause<unknown>, depth: number): Plain {
    const reasons = cause.reasons.map((reason) => {
      if (Cause.isFailReason(reason)) return reason.error
      return Cause.isDieReason(reason) ? reason.defect : "interrupted"
    })
    return reasons.length === 1 ? this.value(reasons[0], depth) : this.items(reasons, depth)
  }
}
