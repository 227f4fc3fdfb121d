import { Refusal, type Refused } from "./errors.ts"
import { jsonPointer } from "./invalid-request.ts"
import { utf8Length } from "./name.ts"

/** JSON deeper than this is refused: everything that reads it recursively stays far from the end of its stack. */
export const MAX_DEPTH = 64

type PayloadRefusal = Refused<"binary_not_supported" | "event_too_deep" | "invalid_request" | "payload_too_large">

/** Its path is put together on the way out, deepest key first: most data has no fault, and pays for no pointer. */
interface Found {
  readonly code: "binary_not_supported" | "event_too_deep" | "invalid_request"
  readonly detail: string
  readonly path: PropertyKey[]
}

const found = (detail: string, code: Found["code"] = "invalid_request"): Found => ({ code, detail, path: [] })

const under = (key: PropertyKey, fault: Found): Found => {
  fault.path.push(key)
  return fault
}

const find = (value: unknown, depth: number): Found | undefined => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : found(`JSON has no ${value}`)
    case "object":
      break
    default:
      return found(`data is JSON, found ${typeof value}`)
  }
  if (value === null) return undefined
  if (depth > MAX_DEPTH) return found(`data is nested at most ${MAX_DEPTH} levels deep`, "event_too_deep")
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const fault = find(value[i], depth + 1)
      if (fault !== undefined) return under(i, fault)
    }
    return undefined
  }
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto !== Object.prototype && proto !== null)
    return found("data is JSON; send binary data as base64 text or by a link", "binary_not_supported")
  for (const key of Object.keys(value)) {
    const item: unknown = (value as Record<string, unknown>)[key]
    if (
      key === "__proto__" ||
      (key === "constructor" && typeof item === "object" && item !== null && Object.hasOwn(item, "prototype"))
    )
      return under(key, found(`the key ${key} is not allowed: receivers could take it for a prototype`))
    const fault = find(item, depth + 1)
    if (fault !== undefined) return under(key, fault)
  }
  return undefined
}

/** What is wrong with data from outside, whatever its size; undefined: it is plain JSON. */
export const payloadFault = (data: unknown, pointer: string): PayloadRefusal | undefined => {
  const fault = find(data, 1)
  if (fault === undefined) return undefined
  const { code, detail, path } = fault
  if (code !== "invalid_request") return new Refusal(code, detail)
  const faults = [{ pointer: pointer + jsonPointer(...path.toReversed()), detail }]
  return new Refusal(code, detail, { faults })
}

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
