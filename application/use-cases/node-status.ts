import * as Effect from "effect/Effect"
import { countApplicationRooms } from "#application/describe-node.ts"
import { LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Engine } from "#application/ports/engine.ts"
import { Settings } from "#application/ports/settings.ts"

export interface NodeStatus {
  readonly node: string
  readonly version: string
  readonly connections: number
  /** The application's rooms that somebody on this node is in. */
  readonly rooms: number
  /** Names the store's unbroken life. */
  readonly epoch: string
  /** Whether the engine is known to work. */
  readonly ready: boolean
}

/** What this node is and how it fares. */
export const nodeStatus = Effect.fn("nodeStatus")(function* (): Effect.fn.Return<
  NodeStatus,
  never,
  Engine | LocalConnections | LocalRooms | Settings
> {
  const { node, version } = yield* Settings
  const engine = yield* Engine
  const connections = yield* LocalConnections
  const { byName } = yield* LocalRooms
  const rooms = countApplicationRooms(byName.keys())
  return { node, version, connections: connections.byId.size, rooms, epoch: engine.epoch(), ready: engine.isFresh() }
})
