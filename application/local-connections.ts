import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Connection, type ConnectionInit } from "#domain/connection.ts"
import type { LocalRoom } from "./local-rooms.ts"
import type { Link } from "./ports/link.ts"

/** A connection of this node: the domain's, with its way out and the rooms that it holds here. */
export class LocalConnection extends Connection {
  readonly link: Link
  /** Held rooms, to be released when it closes. */
  readonly held: LocalRoom[] = []
  /** How many want its gate closed. */
  gateHolds = 0
  /** A fiber is opening its gate. */
  opening = false

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

/** The connections of this node, by id and by session. */
export class LocalConnections extends Context.Service<
  LocalConnections,
  {
    readonly byId: ReadonlyMap<string, LocalConnection>
    readonly bySession: ReadonlyMap<string, LocalConnection>
    readonly add: (connection: LocalConnection) => void
    readonly remove: (connection: LocalConnection) => void
  }
>()("roomcast/application/local-connections") {
  static readonly layer: Layer.Layer<LocalConnections> = Layer.sync(LocalConnections, () => {
    const byId = new Map<string, LocalConnection>()
    const bySession = new Map<string, LocalConnection>()
    return {
      byId,
      bySession,
      add: (connection) => {
        byId.set(connection.id, connection)
        if (connection.session !== undefined) bySession.set(connection.session.id, connection)
      },
      remove: (connection) => {
        byId.delete(connection.id)
        const id = connection.session?.id
        if (id !== undefined && bySession.get(id) === connection) bySession.delete(id)
      },
    }
  })
}
