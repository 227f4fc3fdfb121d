import { Refusal, type Refused } from "./errors.ts"
import { jsonPointer } from "./invalid-request.ts"
import { utf8Length } from "./name.ts"

/** JSON deeper than this is refused: everything that reads it recursively stays far from the end of its stack. */
export const MAX_DEPTH = 64

type PayloadRefusal = Refused<"binary_not_supported" | "event_too_deep" | "invalid_request" | "payload_too_large">

const refuse = (pointer: string, detail: string): PayloadRefusal =>
  new Refusal("invalid_request", detail, { faults: [{ pointer, detail }] })

const find = (value: unknown, pointer: string, depth: number): PayloadRefusal | undefined => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : refuse(pointer, `JSON has no ${value}`)
    case "object":
      break
    default:
      return refuse(pointer, `data is JSON, found ${typeof value}`)
  }
  if (value === null) return undefined
  if (depth > MAX_DEPTH) return new Refusal("event_too_deep", `data is nested at most ${MAX_DEPTH} levels deep`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const fault = find(value[i], pointer + jsonPointer(i), depth + 1)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto !== Object.prototype && proto !== null)
    return new Refusal("binary_not_supported", "data is JSON; send binary data as base64 text or by a link")
  for (const key of Object.keys(value)) {
    const item: unknown = (value as Record<string, unknown>)[key]
    if (
      key === "__proto__" ||
      (key === "constructor" && typeof item === "object" && item !== null && Object.hasOwn(item, "prototype"))
    )
      return refuse(
        pointer + jsonPointer(key),
        `the key ${key} is not allowed: receivers could take it for a prototype`,
      )
    const fault = find(item, pointer + jsonPointer(key), depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** What is wrong with data from outside, whatever its size; undefined: it is plain JSON. */
export const payloadFault = (data: unknown, pointer: string): PayloadRefusal | undefined => find(data, pointer, 1)

/** Encodes data once, for every receiver; refuses what is no plain JSON or larger than `limitBytes` of UTF-8, 0 = no limit. */
export const encodePayload = (data: unknown, limitBytes: number, pointer = "/data"): string | PayloadRefusal => {
  const fault = payloadFault(data, pointer)
  if (fault !== undefined) return fault
  const text = JSON.stringify(data)
  if (limitBytes > 0 && text.length * 3 > limitBytes) {
    const bytes = utf8Length(text)
    if (bytes > limitBytes)
      return new Refusal("payload_too_large", `data has at most ${limitBytes} bytes as JSON, found ${bytes}`)
  }
  return text
}
