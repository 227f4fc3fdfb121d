import * as Context from "effect/Context"

/** Sizes that are read when they are asked for. */
export type Gauge =
  | "connections"
  | "connections_departing"
  | "connections_unwritten"
  | "rooms"
  | "log_messages"
  | "log_bytes"
  | "log_rooms"
  | "sessions"
  | "idempotency_records"
  | "revocations"
  | "rate_limit_keys"
  | "address_limit_keys"
  | "webhook_queue"
  | "webhook_in_flight"
  | "outgoing_buffer_bytes"
  | "redis_channels"
  | "redis_commands_in_flight"
  | "node_commands"
  | "peer_changes_waiting"

/**
 * What the gateway counts. Plain functions, for the message path. Labels are bounded: codes and kinds, never a user's, a
 * room's or an event's name.
 */
export class Metrics extends Context.Service<
  Metrics,
  {
    readonly connectionOpened: (outcome: "fresh" | "recovered" | "not_recovered") => void
    /** `reason`: a closing's code, or the transport's word. */
    readonly connectionClosed: (reason: string) => void
    readonly connectionRefused: (code: string) => void
    readonly messageReceived: (from: "client" | "backend" | "handler") => void
    /** To `count` sockets, `bytes` of data each. */
    readonly messageDelivered: (count: number, bytes: number) => void
    /** From acceptance to the last local socket's write, s. */
    readonly publishToSocket: (seconds: number) => void
    readonly clientEvent: (kind: "gateway" | "application" | "unknown", outcome: string, seconds: number) => void
    /** An error given to a client or an HTTP caller. */
    readonly errorAnswered: (code: string, edge: "socketio" | "http") => void
    readonly backendCall: (kind: string, outcome: string, seconds: number) => void
    readonly httpRequest: (method: string, route: string, status: number, seconds: number) => void
    /** A bound was hit. */
    readonly limitHit: (limit: string) => void
    readonly replayed: (messages: number) => void
    /** What came from, or went to, a Socket.IO program beside the gateway. */
    readonly peerMessage: (kind: "emit" | "request" | "change" | "answer", outcome: "ok" | "refused" | "failed") => void
    readonly observe: (gauge: Gauge, read: () => number) => void
  }
>()("roomcast/application/ports/metrics") {}
