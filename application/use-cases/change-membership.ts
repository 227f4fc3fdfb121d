import * as Effect from "effect/Effect"
import { commandEach } from "#application/command-each.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { type CommandRefusal, type NodeCommand, NodeCommands } from "#application/ports/node-commands.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"

export interface ChangeMembership {
  readonly change: "join" | "leave"
  readonly of: { readonly connectionId: string } | { readonly userId: string }
  readonly room: RoomName
}

export interface MembershipChanged {
  readonly room: RoomName
  /** Connections that are in the room, or out of it, now: those that already were, too. */
  readonly connections: number
}

/**
 * Joins or leaves a room on behalf of one connection, or of every connection that a user has now. Succeeds when their
 * nodes have done it; after a failure some may have: the same again is safe. An offline user has no connections, and a
 * client of its that is away does not come back to a room that it was taken out of; a connection that is not there is
 * `not_found`.
 */
export const changeMembership = Effect.fn("changeMembership")(function* ({
  change,
  of,
  room,
}: ChangeMembership): Effect.fn.Return<
  MembershipChanged,
  CommandRefusal | Refused<"not_found">,
  ConnectionDirectory | Engine | NodeCommands | SessionStore | Settings
> {
  const { rules } = yield* Settings
  if (rules.ruleOf(room) === undefined)
    return yield* Effect.fail(new Refusal("unknown_room", `no rule of the configuration matches the room ${room}`))
  const commandOf = (connectionId: string): NodeCommand => ({ kind: change, connectionId, room })
  if ("userId" in of) {
    // Before its connections are looked for: one that comes later reads this after it can be found.
    if (change === "leave") yield* expel(of.userId, room)
    return { room, connections: yield* commandEach(of.userId, commandOf) }
  }
  const directory = yield* ConnectionDirectory
  const commands = yield* NodeCommands
  const entry = yield* directory.connection(of.connectionId)
  const answer = entry === undefined ? undefined : yield* commands.send(entry.node, commandOf(of.connectionId))
  if (answer?.kind !== "done" || !answer.found)
    return yield* Effect.fail(new Refusal("not_found", "there is no connection of this id"))
  return { room, connections: 1 }
})

const expel = Effect.fnUntraced(function* (userId: string, room: RoomName) {
  const engine = yield* Engine
  const sessions = yield* SessionStore
  yield* sessions.expel(userId, room, yield* engine.clock(engine.partitionOf(room)))
})
