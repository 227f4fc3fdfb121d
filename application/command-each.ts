import * as Effect from "effect/Effect"
import { Refusal } from "#domain/errors.ts"
import { ConnectionDirectory } from "./ports/connection-directory.ts"
import { type CommandRefusal, type NodeCommand, NodeCommands } from "./ports/node-commands.ts"

const AT_ONCE = 16
const MAX_LOOKS = 5
/** Whoever has taken a session is registered in its place within this, but for a node that stands still. */
const LOOK_AGAIN_MS = 100

/**
 * Commands every connection that a user has, and answers how many of them were there to do it. Where one was not, its
 * client may go on with its session as another one, which is looked for and commanded too.
 */
export const commandEach = Effect.fnUntraced(function* (
  userId: string,
  commandOf: (connectionId: string) => NodeCommand,
): Effect.fn.Return<number, CommandRefusal, ConnectionDirectory | NodeCommands> {
  const directory = yield* ConnectionDirectory
  const commands = yield* NodeCommands
  const commanded = new Set<string>()
  let found = 0
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const entries = (yield* directory.connectionsOf(userId)).filter(({ connectionId }) => !commanded.has(connectionId))
    const answers = yield* Effect.forEach(
      entries,
      ({ connectionId, node }) => commands.send(node, commandOf(connectionId)),
      { concurrency: AT_ONCE },
    )
    for (const { connectionId } of entries) commanded.add(connectionId)
    const done = answers.filter((answer) => answer.kind === "done" && answer.found).length
    found += done
    if (done === answers.length) return found
    yield* Effect.sleep(LOOK_AGAIN_MS)
  }
  return yield* Effect.fail(new Refusal("engine_unavailable", "the user's connections change faster than that"))
})
