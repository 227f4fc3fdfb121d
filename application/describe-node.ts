import * as Context from "effect/Context"
import { isGatewayRoom, type RoomName } from "#domain/room.ts"
import { LocalConnections } from "./local-connections.ts"
import { LocalRooms } from "./local-rooms.ts"
import type { NodeEntry } from "./ports/node-registry.ts"
import { Settings } from "./ports/settings.ts"

export const countApplicationRooms = (names: Iterable<RoomName>): number => {
  let count = 0
  for (const name of names) if (!isGatewayRoom(name)) count++
  return count
}

/** What this node says of itself to the others, from when it listens. */
export const describeNode = (
  services: Context.Context<LocalConnections | LocalRooms | Settings>,
  { address, startedAt }: { readonly address: string; readonly startedAt: number },
): (() => NodeEntry) => {
  const { node, version } = Context.get(services, Settings)
  const { byId } = Context.get(services, LocalConnections)
  const { byName } = Context.get(services, LocalRooms)
  return () => ({
    node,
    version,
    address,
    startedAt,
    connections: byId.size,
    rooms: countApplicationRooms(byName.keys()),
  })
}
