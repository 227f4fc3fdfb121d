import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"

/** A node of the cluster, as it last said of itself. */
export interface NodeEntry {
  readonly node: string
  readonly version: string
  /** Where the other nodes reach its HTTP server: `http://host:port`. */
  readonly address: string
  /** ms since 1970 */
  readonly startedAt: number
  readonly connections: number
  /** The application's rooms that somebody on it is in. */
  readonly rooms: number
}

/**
 * The nodes that listen and whose lease has not lapsed, this one included. What is asked with every request is answered at once, by what
 * this node heard last.
 */
export class NodeRegistry extends Context.Service<
  NodeRegistry,
  {
    readonly list: () => Effect.Effect<readonly NodeEntry[], Refused<"engine_unavailable">>
    /** Undefined: there is no such node, or nothing was heard of it yet. */
    readonly addressOf: (node: string) => string | undefined
    /** Proves a request to come from another node: nobody else knows it. Undefined: not known yet. */
    readonly secret: () => string | undefined
    /** This node listens: the others are told what it says of itself, now and from here on, also after a failure. */
    readonly announce: (describe: () => NodeEntry) => Effect.Effect<void, Refused<"engine_unavailable">>
  }
>()("roomcast/application/ports/node-registry") {}
