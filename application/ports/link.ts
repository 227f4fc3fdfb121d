import type * as Effect from "effect/Effect"
import type { LocalConnection } from "#application/local-connections.ts"
import type { Closing } from "#domain/closing.ts"
import type { Refused } from "#domain/errors.ts"

/**
 * What one or many connections are sent. Made once and handed to every receiver as the same object, so that a transport
 * can encode it once.
 */
export interface Outgoing {
  readonly event: string
  /** JSON text; of several arguments, which another program's event may have, each in turn, with commas between. */
  readonly data: string
  /** JSON text */
  readonly meta: string
  /** Undefined: not logged. Nothing else that is sent may end in a string. */
  readonly position: string | undefined
  /** Dropped where the connection is behind. */
  readonly volatile: boolean
}

/**
 * The way out to one connection, given by the transport when it opens. Plain functions: `send` is the hot path. None of
 * them throws, and `ask` does not die, for whoever writes to a room goes on with its next member: a link that cannot do
 * what it is told closes its connection itself, and says why in the log.
 */
export interface Link {
  /** Whose link it is: called once, as soon as there is something that the transport's end must undo. */
  readonly opened: (connection: LocalConnection) => void
  /** Bounded: a client that does not read is closed as a slow consumer by the transport itself. */
  readonly send: (outgoing: Outgoing) => void
  /** One of the gateway's own events; with `position` it is `(data, {}, position)`. */
  readonly emit: (event: string, data: unknown, position?: string) => void
  /** Sends, and answers with what the client's own ack gave; `undefined` after the time-out or a disconnect. */
  readonly ask: (outgoing: Outgoing, timeoutMs: number) => Effect.Effect<{ readonly data: unknown } | undefined>
  /**
   * Done when everything written has left the process; fails where the client takes nothing for BUFFER_AGE_MS or went
   * away. What is written between two calls, a page of a replay, does not count against the buffer.
   */
  readonly drained: () => Effect.Effect<void, Refused<"slow_consumer">>
  /** False: it was closing already. */
  readonly close: (closing: Closing) => boolean
  /** What waits to be taken by the client, about. */
  readonly bufferedBytes: number
  /** Called once a second: closes a client that has taken nothing for BUFFER_AGE_MS. */
  readonly tend: (nowMs: number) => void
}
