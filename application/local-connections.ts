import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { Connection, type ConnectionInit } from "#domain/connection.ts"
import type { LocalRoom } from "./local-rooms.ts"
import type { Link } from "./ports/link.ts"

/** A connection of this node: the domain's, with its way out and the rooms that it holds here. */
export class LocalConnection extends Connection {
  readonly link: Link
  /** Held rooms, to be released when it closes. */
  readonly held: LocalRoom[] = []
  /** Its gate is to be opened when the running event's ack was written. */
  reopen = false

  constructor(init: ConnectionInit, link: Link) {
    super(init)
    this.link = link
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
