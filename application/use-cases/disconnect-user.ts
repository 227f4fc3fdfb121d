import * as Effect from "effect/Effect"
import { commandEach } from "#application/command-each.ts"
import type { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { CommandRefusal, NodeCommands } from "#application/ports/node-commands.ts"

/** Closes every connection of a user for good, on all nodes; none is no error. Succeeds when all of them are closed. */
export const disconnectUser = Effect.fn("disconnectUser")(function* (
  userId: string,
): Effect.fn.Return<{ readonly disconnected: number }, CommandRefusal, ConnectionDirectory | NodeCommands> {
  const disconnected = yield* commandEach(userId, (connectionId) => ({
    kind: "disconnect",
    connectionId,
    reason: "disconnected",
  }))
  return { disconnected }
})
