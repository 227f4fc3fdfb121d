import * as Effect from "effect/Effect"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { type CommandRefusal, NodeCommands } from "#application/ports/node-commands.ts"
import { Refusal, type Refused } from "#domain/errors.ts"

/** Closes one connection for good, on whatever node: its client stays away. Succeeds when that node has done it. */
export const disconnectConnection = Effect.fn("disconnectConnection")(function* (
  connectionId: string,
): Effect.fn.Return<void, CommandRefusal | Refused<"not_found">, ConnectionDirectory | NodeCommands> {
  const directory = yield* ConnectionDirectory
  const commands = yield* NodeCommands
  const entry = yield* directory.connection(connectionId)
  const answer =
    entry === undefined
      ? undefined
      : yield* commands.send(entry.node, { kind: "disconnect", connectionId, reason: "disconnected" })
  if (answer?.kind !== "done" || !answer.found)
    return yield* Effect.fail(new Refusal("not_found", "there is no connection of this id"))
})
