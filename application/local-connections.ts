import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Connection, type ConnectionInit } from "#domain/connection.ts"
import type { RoomName } from "#domain/room.ts"
import type { LocalRoom } from "./local-rooms.ts"
import type { Link } from "./ports/link.ts"
import { Metrics } from "./ports/metrics.ts"

/** `kept`: it may be recovered. `ended`: its client was sent away. `taken`: another connection goes on with its session. */
export type Outcome = "kept" | "ended" | "taken"

/** What a connection that is gone leaves in the store, and how far that is written. */
export interface Leftover {
  readonly connectionId: string
  readonly session: { readonly id: string; readonly owner: number } | undefined
  readonly outcome: Outcome
  /** Its session was written, and was still its own; undefined: not written yet. */
  owned?: boolean
}

/** A join that failed and could not be undone, or a leave that failed: the store may have it otherwise than this node. */
export interface FailedChange {
  readonly connection: LocalConnection
  readonly room: RoomName
}

/** A connection of this node: the domain's, with its way out and the rooms that it holds here. */
export class LocalConnection extends Connection {
  readonly link: Link
  /** To be released when it closes. */
  readonly held = new Map<RoomName, LocalRoom>()
  /** Rooms that it is in, of whose leave that failed some may have been written; undefined: none. */
  halfLeft: Map<RoomName, FailedChange> | undefined
  /** How many want its gate closed. */
  gateHolds = 0
  /** A fiber is opening its gate. */
  opening = false
  /** Everything that may refuse it has let it in: from here on others are told when it goes. */
  admitted = false
  /** Set when it closed. */
  leftover: Leftover | undefined

  private turns: Semaphore.Semaphore | undefined

  constructor(init: ConnectionInit, link: Link) {
    super(init)
    this.link = link
  }

  /** One change of its rooms at a time, whether its client, a handler or the API wants it. */
  inTurn<A, E, R>(change: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    this.turns ??= Semaphore.makeUnsafe(1)
    return this.turns.withPermit(change)
  }
}

/** For how long a takeover is remembered, for whoever lost the session by it and is not registered here yet. */
export const TAKEOVER_MS = 60_000
export const MAX_TAKEOVERS = 100_000
export const MAX_UNWRITTEN = 100_000

/** The connections of this node, by id and by session, and what is left of those that are gone. */
export class LocalConnections extends Context.Service<
  LocalConnections,
  {
    readonly byId: ReadonlyMap<string, LocalConnection>
    /** `taken`: another connection has its session by now. `lost`: the one here that has lost it to this one. */
    readonly add: (connection: LocalConnection) => {
      readonly taken: boolean
      readonly lost: LocalConnection | undefined
    }
    readonly remove: (connection: LocalConnection) => void
    /** A session has this owner now. Answers the connection here that has lost it; one that comes later is told by `add`. */
    readonly taken: (sessionId: string, owner: number) => LocalConnection | undefined
    /** What could not be written, for the engine was away: to be tried again. Past MAX_UNWRITTEN the oldest is given up. */
    readonly unwritten: ReadonlySet<Leftover | FailedChange>
    readonly writeLater: (late: Leftover | FailedChange) => void
    readonly written: (late: Leftover | FailedChange) => void
  }
>()("roomcast/application/local-connections") {
  static readonly layer: Layer.Layer<LocalConnections, never, Metrics> = Layer.effect(
    LocalConnections,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const metrics = yield* Metrics
      const byId = new Map<string, LocalConnection>()
      const bySession = new Map<string, LocalConnection>()
      /** In the order in which they came. */
      const takeovers = new Map<string, { readonly owner: number; readonly until: number }>()
      const unwritten = new Set<Leftover | FailedChange>()

      const forgetTakeovers = (now: number): void => {
        for (const [id, { until }] of takeovers) {
          if (until > now && takeovers.size <= MAX_TAKEOVERS) return
          if (until > now) metrics.limitHit("takeovers")
          takeovers.delete(id)
        }
      }

      metrics.observe("connections", () => byId.size)
      metrics.observe("connections_unwritten", () => unwritten.size)
      return {
        byId,
        add: (connection) => {
          byId.set(connection.id, connection)
          const { session } = connection
          if (session === undefined) return { taken: false, lost: undefined }
          const lost = bySession.get(session.id)
          if ((takeovers.get(session.id)?.owner ?? 0) > session.owner) return { taken: true, lost: undefined }
          bySession.set(session.id, connection)
          return { taken: false, lost }
        },
        remove: (connection) => {
          byId.delete(connection.id)
          const id = connection.session?.id
          if (id !== undefined && bySession.get(id) === connection) bySession.delete(id)
        },
        taken: (sessionId, owner) => {
          const now = clock.currentTimeMillisUnsafe()
          if ((takeovers.get(sessionId)?.owner ?? 0) < owner) {
            takeovers.delete(sessionId)
            takeovers.set(sessionId, { owner, until: now + TAKEOVER_MS })
          }
          forgetTakeovers(now)
          const connection = bySession.get(sessionId)
          return connection?.session !== undefined && connection.session.owner < owner ? connection : undefined
        },
        unwritten,
        writeLater: (late) => {
          unwritten.add(late)
          const [oldest] = unwritten
          if (unwritten.size <= MAX_UNWRITTEN || oldest === undefined) return
          metrics.limitHit("connections_unwritten")
          unwritten.delete(oldest)
        },
        written: (late) => void unwritten.delete(late),
      }
    }),
  )
}
