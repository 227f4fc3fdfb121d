import * as Effect from "effect/Effect"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { type CommandRefusal, NodeCommands } from "#application/ports/node-commands.ts"
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

const AT_ONCE = 16

/**
 * Joins or leaves a room on behalf of one connection, or of every connection that a user has now. Succeeds when their
 * nodes have done it; after a failure some may have: the same again is safe. An offline user has no connections; a
 * connection that is not there is `not_found`.
 */
export const changeMembership = Effect.fn("changeMembership")(function* ({
  change,
  of,
  room,
}: ChangeMembership): Effect.fn.Return<
  MembershipChanged,
  CommandRefusal | Refused<"not_found">,
  ConnectionDirectory | NodeCommands | Settings
> {
  const { rules } = yield* Settings
  if (rules.ruleOf(room) === undefined)
    return yield* Effect.fail(new Refusal("unknown_room", `no rule of the configuration matches the room ${room}`))
  const directory = yield* ConnectionDirectory
  const commands = yield* NodeCommands
  const one = "connectionId" in of ? yield* directory.connection(of.connectionId) : undefined
  const entries = "userId" in of ? yield* directory.connectionsOf(of.userId) : one === undefined ? [] : [one]
  const answers = yield* Effect.forEach(
    entries,
    ({ connectionId, node }) => commands.send(node, { kind: change, connectionId, room }),
    { concurrency: AT_ONCE },
  )
  const connections = answers.filter((answer) => answer.kind === "done" && answer.found).length
  if ("connectionId" in of && connections === 0)
    return yield* Effect.fail(new Refusal("not_found", "there is no connection of this id"))
  return { room, connections }
})
