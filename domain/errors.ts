/**
 * Every refusal that Roomcast gives, by its stable code: the one table behind HTTP problems, acks, `connect_error` and
 * the documentation. `temporary` tells the caller whether the same request can succeed later, unchanged.
 */
export const ERRORS = {
  already_connecting: { status: 409, temporary: false, title: "This connection is already joining" },
  backend_unavailable: { status: 503, temporary: true, title: "The backend did not answer" },
  binary_not_supported: { status: 422, temporary: false, title: "Binary data is not supported" },
  draining: { status: 503, temporary: true, title: "This node is shutting down" },
  engine_unavailable: { status: 503, temporary: true, title: "The engine did not answer" },
  event_too_deep: { status: 422, temporary: false, title: "The data is nested too deeply" },
  handler_failed: { status: 500, temporary: false, title: "The event's handler failed" },
  idempotency_key_reused: { status: 422, temporary: false, title: "The idempotency key was used with another body" },
  insufficient_scope: { status: 403, temporary: false, title: "The credential lacks a scope" },
  internal: { status: 500, temporary: false, title: "Internal error" },
  invalid_json: { status: 400, temporary: false, title: "The body is not JSON" },
  invalid_request: { status: 422, temporary: false, title: "The request is not valid" },
  keys_unavailable: { status: 503, temporary: true, title: "The keys that check tokens cannot be had" },
  method_not_allowed: { status: 405, temporary: false, title: "The method is not allowed here" },
  node_full: { status: 503, temporary: true, title: "This node has as many connections as it may" },
  not_a_member: { status: 403, temporary: false, title: "For members of the room only" },
  not_allowed: { status: 403, temporary: false, title: "Not allowed" },
  not_found: { status: 404, temporary: false, title: "Not found" },
  overloaded: { status: 503, temporary: true, title: "The node is overloaded" },
  payload_too_large: { status: 413, temporary: false, title: "The payload is too large" },
  rate_limited: { status: 429, temporary: true, title: "Too many requests" },
  request_timeout: { status: 408, temporary: true, title: "The request did not arrive in time" },
  reserved_event: { status: 422, temporary: false, title: "The event's name is reserved" },
  revoked: { status: 401, temporary: false, title: "The token was revoked" },
  session_taken: { status: 409, temporary: false, title: "Another connection continued this session" },
  slow_consumer: { status: 503, temporary: true, title: "The client does not read fast enough" },
  token_expired: { status: 401, temporary: false, title: "The token has expired" },
  too_many_connections: { status: 429, temporary: false, title: "The user has too many connections" },
  too_many_rooms: { status: 422, temporary: false, title: "The connection is in too many rooms" },
  unauthorized: { status: 401, temporary: false, title: "The credential is missing or not valid" },
  unknown_event: { status: 422, temporary: false, title: "Nothing handles this event" },
  unknown_room: { status: 422, temporary: false, title: "No rule matches the room" },
  unsupported_media_type: { status: 415, temporary: false, title: "The content type is not supported" },
} as const satisfies Record<string, { readonly status: number; readonly temporary: boolean; readonly title: string }>

export type Code = keyof typeof ERRORS

/** One fault of an input: `pointer` is a JSON Pointer (RFC 6901) into it. */
export interface Fault {
  readonly pointer: string
  readonly detail: string
}

/**
 * A refusal that a caller can provoke. Not an Error: taking a stack costs more than the rest of a refused message.
 * `message` names what was found and what is allowed, and never holds a secret.
 */
export class Refusal<C extends Code = Code> {
  readonly _tag: C
  readonly message: string
  readonly faults: readonly Fault[] | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: C, message: string, more?: { readonly faults?: readonly Fault[]; readonly retryAfterMs?: number }) {
    this._tag = code
    this.message = message
    this.faults = more?.faults
    this.retryAfterMs = more?.retryAfterMs
  }
}

/** `Refused<"a" | "b">` is `Refusal<"a"> | Refusal<"b">`: a union that `catchTag` can take apart. */
export type Refused<C extends Code> = C extends Code ? Refusal<C> : never

/** A refusal in the words of the user's own backend or handler; its code is theirs. */
export class Declined {
  readonly _tag = "declined"
  readonly code: string
  readonly message: string
  readonly details: unknown

  constructor(code: string, message: string, details?: unknown) {
    this.code = code
    this.message = message
    this.details = details
  }
}

/** The `error` of a failed ack and the `data` of a `connect_error`. */
export interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly details?: unknown
  readonly retryAfterMs?: number
}

export const errorBody = (refusal: Refusal | Declined): ErrorBody => {
  if (refusal._tag === "declined") {
    const { code, message, details } = refusal
    return details === undefined ? { code, message } : { code, message, details }
  }
  return {
    code: refusal._tag,
    message: refusal.message,
    ...(refusal.faults !== undefined && { details: refusal.faults }),
    ...(refusal.retryAfterMs !== undefined && { retryAfterMs: refusal.retryAfterMs }),
  }
}
