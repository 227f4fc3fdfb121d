import { type Fault, Refusal, type Refused } from "./errors.ts"

const MAX_KEY = 100

const step = (key: PropertyKey): string =>
  `/${String(key).slice(0, MAX_KEY).replaceAll("~", "~0").replaceAll("/", "~1")}`

/** The JSON Pointer (RFC 6901) of a path of keys; a key is a stranger's and shown no longer than 100 characters. */
export const jsonPointer = (...path: readonly PropertyKey[]): string => path.map(step).join("")

/** Names the first fault in its message, by `whole` where that is of the input itself, and has them all. */
export const invalidRequest = (faults: readonly Fault[], whole = "the request"): Refused<"invalid_request"> => {
  const [first = { pointer: "", detail: "not valid" }] = faults
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : ""
  return new Refusal("invalid_request", `${first.pointer || whole}: ${first.detail}${more}`, { faults })
}
