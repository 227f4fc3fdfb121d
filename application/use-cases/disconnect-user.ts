import * as Effect from "effect/Effect"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { type CommandRefusal, NodeCommands } from "#application/ports/node-commands.ts"

const AT_ONCE = 16

/** Closes every connection of a user for good, on all nodes; none is no error. Succeeds when all of them are closed. */
export const disconnectUser = Effect.fn("disconnectUser")(function* (
  userId: string,
): Effect.fn.Return<{ readonly disconnected: number }, CommandRefusal, ConnectionDirectory | NodeCommands> {
  const directory = yield* ConnectionDirectory
  const commands = yield* NodeCommands
  const entries = yield* directory.connectionsOf(userId)
  const answers = yield* Effect.forEach(
    entries,
    ({ connectionId, node }) => commands.send(node, { kind: "disconnect", connectionId, reason: "disconnected" }),
    { concurrency: AT_ONCE },
  )
  return { disconnected: answers.filter((answer) => answer.kind === "done" && answer.found).length }
})
