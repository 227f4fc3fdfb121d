import { utf8Length } from "./name.ts"
import { payloadFault } from "./payload.ts"

/** Bounds of a refusal in the words of a backend or a handler: it is given to the client as it is. */
const MAX_MESSAGE = 500
const MAX_DETAILS_BYTES = 4_096

/** Why these words cannot refuse, or undefined where they can. `details` may be absent. */
export const declinedFault = (code: unknown, message: unknown, details: unknown): string | undefined => {
  if (typeof code !== "string" || !/^[a-z0-9_.-]{1,64}$/i.test(code))
    return "code is 1-64 of the characters a-z, 0-9, _, . and -"
  if (typeof message !== "string" || message.length > MAX_MESSAGE)
    return `message is text of at most ${MAX_MESSAGE} characters`
  if (details === undefined) return undefined
  const fault = payloadFault(details, "/details")
  if (fault !== undefined) return `details is plain JSON: ${fault.message}`
  if (utf8Length(JSON.stringify(details)) > MAX_DETAILS_BYTES)
    return `details has at most ${MAX_DETAILS_BYTES} bytes as JSON`
  return undefined
}
