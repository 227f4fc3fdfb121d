import type { Context } from "hono"
import type { ContentfulStatusCode } from "hono/utils/http-status"
import { type Declined, ERRORS, type Refusal } from "#domain/errors.ts"
import type { Env } from "./env.ts"

/** Seconds to wait where the refusal names no time: so many, and up to as many again. */
const DEFAULT_RETRY_S = 2

/**
 * `Retry-After` in whole seconds (RFC 9110, section 10.2.3), rounded up. After a 503 everybody comes back at once, so
 * that one is spread out.
 */
const retryAfter = (status: number, retryAfterMs: number | undefined): number => {
  const seconds = Math.max(1, Math.ceil((retryAfterMs ?? DEFAULT_RETRY_S * 1000) / 1000))
  return status === 503 ? seconds + Math.floor(Math.random() * (Math.max(DEFAULT_RETRY_S, seconds) + 1)) : seconds
}

const challenge = (status: number): string =>
  status === 401 ? 'Bearer realm="roomcast"' : 'Bearer realm="roomcast", error="insufficient_scope"'

const declinedBody = (declined: Declined): Record<string, unknown> => ({
  type: "urn:roomcast:error:declined",
  title: "The backend or a handler refused",
  status: 403,
  code: declined.code,
  detail: declined.message,
  ...(declined.details !== undefined && { details: declined.details }),
})

/** A caller is told at most so many faults at once, and so long a detail. */
const MAX_FAULTS = 100
const MAX_DETAIL = 1_000

const short = (text: string): string => (text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL)}…` : text)

/** One push of a batch that failed: what a problem says, without what belongs to the whole response. */
export const itemProblem = (refusal: Refusal, begun: boolean): Record<string, unknown> => ({
  status: ERRORS[refusal._tag].status,
  code: refusal._tag,
  detail: short(refusal.message),
  ...(refusal.faults !== undefined && { errors: refusal.faults.slice(0, MAX_FAULTS) }),
  ...(begun && refusal._tag === "engine_unavailable" && { outcome: "unknown" }),
})

/** `{ type, title, status, code, detail, errors?, outcome?, instance }`, RFC 9457. */
export const problemBody = (
  refusal: Refusal | Declined,
  requestId: string,
  begun: boolean,
): { readonly status: number; readonly body: Record<string, unknown> } => {
  const instance = `urn:roomcast:request:${requestId}`
  if (refusal._tag === "declined") return { status: 403, body: { ...declinedBody(refusal), instance } }
  const { status, title } = ERRORS[refusal._tag]
  const type = `urn:roomcast:error:${refusal._tag}`
  return { status, body: { type, title, ...itemProblem(refusal, begun), instance } }
}

/**
 * Answers with problem details as `application/problem+json`. `outcome: "unknown"`: it may have been carried out, and a
 * repeat with the same idempotency key is safe.
 */
export const problem = (c: Context<Env>, refusal: Refusal | Declined): Response => {
  const code = refusal._tag
  c.set("code", code)
  const { status, body } = problemBody(refusal, c.get("requestId"), c.get("begun") === true)
  const headers: Record<string, string> = { "Content-Type": "application/problem+json", "Cache-Control": "no-store" }
  if (status === 401 || code === "insufficient_scope") headers["WWW-Authenticate"] = challenge(status)
  if (refusal._tag !== "declined" && ERRORS[refusal._tag].temporary && (status === 503 || status === 429))
    headers["Retry-After"] = String(retryAfter(status, refusal.retryAfterMs))
  return c.body(JSON.stringify(body), status as ContentfulStatusCode, headers)
}
