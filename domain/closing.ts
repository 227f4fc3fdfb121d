import type { Code } from "./errors.ts"

/**
 * Why the gateway closes a connection, and whether a stock client comes back by itself: with `reconnect` the engine
 * connection is closed, without it the namespace is left.
 */
export interface Closing {
  readonly code: Code | "disconnected" | "new_epoch" | "history_lost"
  readonly message: string
  readonly reconnect: boolean
  readonly retryAfterMs?: number
}

export const CLOSINGS = {
  revoked: { code: "revoked", message: "the token was revoked", reconnect: false },
  disconnected: { code: "disconnected", message: "disconnected by the backend", reconnect: false },
  tokenExpired: { code: "token_expired", message: "the token has expired: connect with a new one", reconnect: true },
  draining: { code: "draining", message: "this node is shutting down", reconnect: true },
  slowConsumer: { code: "slow_consumer", message: "the client does not read what it is sent", reconnect: true },
  rateLimited: { code: "rate_limited", message: "far more events than the limit allows", reconnect: true },
  sessionTaken: { code: "session_taken", message: "another connection continued this session", reconnect: false },
  newEpoch: { code: "new_epoch", message: "the store began anew", reconnect: true },
  historyLost: { code: "history_lost", message: "messages were trimmed before they could be sent", reconnect: true },
  engineUnavailable: { code: "engine_unavailable", message: "the engine did not answer", reconnect: true },
  failed: { code: "internal", message: "the gateway could not write to this connection", reconnect: true },
} as const satisfies Record<string, Closing>
