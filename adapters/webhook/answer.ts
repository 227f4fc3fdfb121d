import type { QuestionKind } from "#application/ports/backend.ts"
import { declinedFault } from "#domain/declined.ts"
import { Declined } from "#domain/errors.ts"
import { payloadFault } from "#domain/payload.ts"
import type { Reply } from "./post.ts"

/** What a backend's reply says. `fault` is for the log, where the reply is not in the form that is documented. */
export type Answer =
  | { readonly outcome: "answered"; readonly data: unknown }
  | { readonly outcome: "declined"; readonly declined: Declined; readonly fault: string | undefined }
  | { readonly outcome: "unavailable"; readonly fault: string }

const parseJson = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const declinedOf = ({ status, body }: Reply): Answer => {
  const value = parseJson(body)?.value
  const { code, message, details } = isObject(value) ? value : {}
  const fault = isObject(value)
    ? declinedFault(code, message, details)
    : "a JSON object with code and message is needed"
  if (fault === undefined && typeof code === "string" && typeof message === "string")
    return { outcome: "declined", declined: new Declined(code, message, details), fault }
  return {
    outcome: "declined",
    declined: new Declined("not_allowed", "the backend refused"),
    fault: `answered ${status} without a usable refusal: ${fault}`,
  }
}

/**
 * 2xx answers with its JSON, null without a body; 4xx declines; nothing else is an answer. Where only a yes is asked for,
 * as most kinds do, a 2xx is one whatever its text: frameworks send "OK".
 */
export const readAnswer = (reply: Reply, kind: QuestionKind): Answer => {
  const { status, body } = reply
  if (status >= 400 && status < 500) return declinedOf(reply)
  if (status >= 300 && status < 400)
    return { outcome: "unavailable", fault: `answered ${status}: redirects are not followed` }
  if (status < 200 || status >= 300) return { outcome: "unavailable", fault: `answered ${status}` }
  if (status === 204 || body === "") return { outcome: "answered", data: null }
  const parsed = parseJson(body)
  if (parsed === undefined)
    return kind === "message.received"
      ? { outcome: "unavailable", fault: `answered ${status} with a body that is not JSON` }
      : { outcome: "answered", data: null }
  const fault = payloadFault(parsed.value, "")
  if (fault !== undefined) return { outcome: "unavailable", fault: `answered ${status}: ${fault.message}` }
  return { outcome: "answered", data: parsed.value }
}
