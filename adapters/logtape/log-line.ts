import type { LogLevel } from "@logtape/logtape"
import { utf8Length } from "#domain/name.ts"

export const MAX_LINE_BYTES = 8_192

/** Names of a line's own members, which no property takes. */
export const LINE_NAMES = ["time", "level", "node", "category", "message"]

export interface LogLine {
  /** ms since 1970 */
  readonly time: number
  readonly level: LogLevel
  /** The instance id of whoever logs it. */
  readonly node: string | undefined
  readonly category: readonly string[]
  readonly message: string
  /** Plain data, as JSON has it. */
  readonly properties: Readonly<Record<string, unknown>>
}

const escapeUnit = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Text of several lines that cannot steer a terminal; in JSON it stays the same text. */
export const printable = (text: string): string =>
  text.replace(/[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu, escapeUnit)

/** JSON whose text can neither end a line nor steer a terminal: JSON itself escapes U+0000 to U+001F only. */
const encode = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, escapeUnit)

const bounded = (line: LogLine, format: (line: LogLine) => string): string => {
  const text = format(line)
  return utf8Length(text) <= MAX_LINE_BYTES
    ? text
    : format({ ...line, message: line.message.slice(0, 500), properties: { cut: true } })
}

export const jsonLine = (line: LogLine): string =>
  bounded(line, ({ time, level, node, category, message, properties }) =>
    encode({ time: new Date(time).toISOString(), level, node, category: category.join("."), message, ...properties }),
  )

const SHORT: Record<LogLevel, readonly [name: string, color: number]> = {
  trace: ["TRC", 90],
  debug: ["DBG", 36],
  info: ["INF", 32],
  warning: ["WRN", 33],
  error: ["ERR", 31],
  fatal: ["FTL", 35],
}

const bare = (text: string): string => (/^[\w./:@*…[\]-]+$/.test(text) ? text : encode(text))

const isMembers = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An error, and its frames for lines of their own, each indented so that none can look like a record. */
const splitStack = (value: unknown): readonly [rest: unknown, frames: readonly string[]] => {
  if (!isMembers(value)) return [value, []]
  const { stack, ...rest } = value
  return Array.isArray(stack) ? [rest, stack.map((frame) => `\n    ${encode(frame).slice(1, -1)}`)] : [value, []]
}

/** One line for a person: time (UTC), level, category, message, properties; then an error's frames. */
export const prettyLine = (line: LogLine, colors: boolean): string =>
  bounded(line, ({ time, level, category, message, properties }) => {
    const [name, color] = SHORT[level]
    const paint = (code: number, text: string): string => (colors ? `\u001b[${code}m${text}\u001b[0m` : text)
    let shown = ""
    let below = ""
    for (const [key, value] of Object.entries(properties)) {
      const [rest, frames] = key === "error" || key === "cause" ? splitStack(value) : [value, []]
      shown += ` ${paint(90, `${bare(key)}=`)}${typeof rest === "string" ? bare(rest) : encode(rest)}`
      below += frames.join("")
    }
    const text = encode(message).slice(1, -1).replaceAll('\\"', '"')
    const at = new Date(time).toISOString().slice(11, 23)
    const from = paint(90, category.map(bare).join("."))
    return `${paint(90, at)} ${paint(color, name)} ${from} ${text}${shown}${below}`
  })
