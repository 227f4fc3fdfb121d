import * as Effect from "effect/Effect"
import { askConnections } from "#application/ask-connections.ts"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { CommandRefusal, NodeAnswer, NodeCommand } from "#application/ports/node-commands.ts"
import type { RevocationInput } from "#application/ports/revocations.ts"
import type { Services } from "#application/services.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { isRevokedBy } from "#domain/revocation.ts"
import type { RoomName } from "#domain/room.ts"

const GONE: NodeAnswer = { kind: "done", found: false }
const DONE: NodeAnswer = { kind: "done", found: true }

/**
 * Carries out a command for this node's connections, by the same code as a client's own wishes; answers when done. A
 * connection that is not here, or goes away meanwhile, is not found.
 */
export const obeyCommand = Effect.fn("obeyCommand")(function* (
  command: NodeCommand,
): Effect.fn.Return<NodeAnswer, CommandRefusal, Services> {
  if (command.kind === "ask") return { kind: "answers" as const, ...(yield* askConnections(command)) }
  const { byId } = yield* LocalConnections
  if (command.kind === "revoke") return yield* revoke([...byId.values()], command.revocation)
  const connection = byId.get(command.connectionId)
  if (connection === undefined) return GONE
  switch (command.kind) {
    case "join":
      return yield* unlessGone(connection, join(connection, command.room))
    case "leave":
      return yield* unlessGone(connection, exitRoom(connection, command.room))
    case "disconnect": {
      const closed = connection.link.close(CLOSINGS[command.reason])
      yield* writtenOff(connection)
      // Whoever has its session by now has its client, too.
      return closed && connection.leftover?.owned !== false ? DONE : GONE
    }
  }
})

const WRITE_OFF_MS = 5_000
const LOOK_MS = 20
const AT_ONCE = 16

/** It is not known yet whether its session was still its own. */
const isEnding = ({ leftover }: LocalConnection): boolean =>
  leftover?.session !== undefined && leftover.outcome !== "taken" && leftover.owned === undefined

/** Whoever looks a closed connection up once this has succeeded does not find it. */
const writtenOff = Effect.fnUntraced(function* (
  connection: LocalConnection,
): Effect.fn.Return<void, Refused<"engine_unavailable">, ConnectionDirectory> {
  const directory = yield* ConnectionDirectory
  const isThere = Effect.suspend(() =>
    isEnding(connection)
      ? Effect.succeed(true)
      : Effect.map(directory.connection(connection.id), (entry) => entry !== undefined),
  )
  for (let waitedMs = 0; yield* isThere; waitedMs += LOOK_MS) {
    if (waitedMs >= WRITE_OFF_MS)
      return yield* Effect.fail(new Refusal("engine_unavailable", "the connection is closed, and not written off yet"))
    yield* Effect.sleep(LOOK_MS)
  }
})

/** All of them are closed before the first failure is told. What was closing already is not counted. */
const revoke = Effect.fnUntraced(function* (connections: readonly LocalConnection[], revocation: RevocationInput) {
  const revoked = connections.filter(({ user }) => isRevokedBy(user.claims, revocation))
  const count = revoked.filter(({ link }) => link.close(CLOSINGS.revoked)).length
  yield* Effect.forEach(revoked, writtenOff, { concurrency: AT_ONCE, discard: true })
  return { kind: "closed" as const, count }
})

/** What fails because the connection went away is no failure. */
const unlessGone = <R>(
  connection: LocalConnection,
  change: Effect.Effect<unknown, Refused<"engine_unavailable" | "session_taken" | "too_many_rooms">, R>,
): Effect.Effect<NodeAnswer, CommandRefusal, R> =>
  Effect.as(change, DONE).pipe(
    Effect.catchTag("session_taken", () => Effect.succeed(GONE)),
    Effect.catchIf(
      () => connection.closed,
      () => Effect.succeed(GONE),
    ),
  )

/** Not to be interrupted half-way. */
const join = (connection: LocalConnection, room: RoomName) => Effect.uninterruptible(enterRoom(connection, room, "api"))
