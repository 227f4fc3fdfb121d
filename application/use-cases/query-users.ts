import * as Effect from "effect/Effect"
import { ConnectionDirectory, type ConnectionEntry } from "#application/ports/connection-directory.ts"
import type { Refused } from "#domain/errors.ts"

export interface UserView {
  readonly userId: string
  readonly online: boolean
  readonly connections: readonly Pick<ConnectionEntry, "connectionId" | "node" | "transport" | "connectedAt">[]
}

const AT_ONCE = 16

/** Whether these users are online, and with what, in the order asked. Nobody knows which users exist: others are offline. */
export const queryUsers = Effect.fn("queryUsers")(function* (
  userIds: readonly string[],
): Effect.fn.Return<readonly UserView[], Refused<"engine_unavailable">, ConnectionDirectory> {
  const directory = yield* ConnectionDirectory
  return yield* Effect.forEach(
    userIds,
    (userId) =>
      Effect.map(
        directory.connectionsOf(userId),
        (entries): UserView => ({
          userId,
          online: entries.length > 0,
          connections: entries.map(({ connectionId, node, transport, connectedAt }) => ({
            connectionId,
            node,
            transport,
            connectedAt,
          })),
        }),
      ),
    { concurrency: AT_ONCE },
  )
})
