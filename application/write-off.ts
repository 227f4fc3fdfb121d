import * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import { type Leftover, LocalConnections } from "./local-connections.ts"
import type { Backend } from "./ports/backend.ts"
import { ConnectionDirectory } from "./ports/connection-directory.ts"
import type { Engine } from "./ports/engine.ts"
import type { Ids } from "./ports/ids.ts"
import { SessionStore } from "./ports/session-store.ts"
import { Settings } from "./ports/settings.ts"
import { announceLeft } from "./presence.ts"

/** Whoever has taken its session takes its place in the directory within this, or is not coming. */
export const TAKEN_MS = 5_000

/**
 * Its session waits for the recovery window, its presence for the grace. A session that turns out to have another owner
 * was taken. After a failure the same again goes on where it failed.
 */
export const writeOff = Effect.fnUntraced(function* (
  leftover: Leftover,
): Effect.fn.Return<
  void,
  Refused<"engine_unavailable">,
  Backend | ConnectionDirectory | Engine | Ids | SessionStore | Settings
> {
  const directory = yield* ConnectionDirectory
  const { connectionId, outcome, session } = leftover
  if (session !== undefined && outcome !== "taken" && leftover.owned === undefined) {
    const sessions = yield* SessionStore
    const write = outcome === "ended" ? sessions.end : sessions.drop
    leftover.owned = yield* write(session.id, session.owner, connectionId)
  }
  const { presence } = yield* Settings
  if (outcome === "taken" || leftover.owned === false)
    return yield* directory.depart(connectionId, Math.max(presence.graceMs, TAKEN_MS))
  if (session !== undefined && outcome === "kept" && presence.graceMs > 0)
    return yield* directory.depart(connectionId, presence.graceMs)
  const entry = yield* directory.remove(connectionId)
  if (entry !== undefined) yield* announceLeft(entry)
})

/** Where the engine is away it is kept for later. Not to be broken off: what is half told is told by nobody again. */
export const writeOffOrLater = (leftover: Leftover) =>
  Effect.uninterruptible(
    Effect.catch(writeOff(leftover), ({ _tag }) =>
      LocalConnections.use(({ writeLater }) => {
        writeLater(leftover)
        return Effect.logWarning("a closed connection could not be written off, and will be later", {
          connectionId: leftover.connectionId,
          code: _tag,
        })
      }),
    ),
  )
