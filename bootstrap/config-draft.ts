import type { Key } from "./config-keys.ts"
import type { Mistake } from "./config-mistakes.ts"

type Values = Record<string, unknown>

const isValues = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A configuration as it comes together from its sources, later ones over earlier ones, before it is checked. */
export class ConfigDraft {
  values: Values = {}
  readonly mistakes: Mistake[] = []
  readonly warnings: string[] = []
  private readonly sources = new Map<string, string>()
  private readonly fallback: string

  /** `fallback` is the source of what no source gave. */
  constructor(fallback: string) {
    this.fallback = fallback
  }

  /** Begins with a file's values. */
  begin(values: Values, source: string): void {
    this.values = values
    this.sources.set("", source)
  }

  /**
   * Sets one key; groups are copied on the way, for a file's aliases share them. Where such a group was written as
   * something else, that stands, to be reported.
   */
  set(path: string, value: unknown, source: string): void {
    const steps = path.split(".")
    const last = steps.pop() ?? ""
    let group = this.values
    for (const step of steps) {
      const next = group[step] ?? {}
      if (!isValues(next)) return
      const copy = { ...next }
      group[step] = copy
      group = copy
    }
    const before = group[last]
    group[last] = isValues(value) && isValues(before) ? { ...before, ...value } : value
    this.sources.set(path, source)
  }

  /** The source of the nearest thing that was set at or above the path. */
  sourceOf(path: readonly PropertyKey[]): string {
    for (let length = path.length; length > 0; length--) {
      const source = this.sources.get(path.slice(0, length).map(String).join("."))
      if (source !== undefined) return source
    }
    const inFile = path.length > 0 && Object.hasOwn(this.values, String(path[0]))
    return inFile ? (this.sources.get("") ?? this.fallback) : this.fallback
  }

  /** Sets a key from text, written as its kind is written where there is only text. */
  setText(key: Key, text: string, source: string): void {
    const read = readText(key, text)
    if ("value" in read) this.set(key.path, read.value, source)
    else this.mistakes.push({ key: key.path, found: read.found, allowed: read.allowed, source })
  }
}

type Read = { readonly value: unknown } | { readonly found: string; readonly allowed: string }

const readJson = (text: string, isRight: (value: unknown) => boolean, allowed: string): Read => {
  try {
    const value: unknown = JSON.parse(text)
    return isRight(value) ? { value } : { found: "other JSON", allowed }
  } catch {
    return { found: `${text.length} characters that are not JSON`, allowed }
  }
}

/** What is not of its kind stays text, for the schema to refuse. */
const readText = ({ facts }: Key, text: string): Read => {
  switch (facts?.kind) {
    case undefined:
      return readJson(text, isValues, 'a JSON object, such as {"name":"value"}')
    case "list":
      return readJson(text, Array.isArray, `${facts.allowed}, as JSON`)
    case "list of texts":
      return text.trimStart().startsWith("[")
        ? readJson(text, Array.isArray, `${facts.allowed}, as a JSON list or with commas between them`)
        : {
            value: text
              .split(",")
              .map((item) => item.trim())
              .filter((item) => item !== ""),
          }
    case "whole number":
      return { value: /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text }
    case "boolean":
      return { value: /^(true|1|yes|on)$/i.test(text) ? true : /^(false|0|no|off)$/i.test(text) ? false : text }
    case "text":
    case "duration":
      return { value: text }
  }
}
