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
  const recoverable = session !== undefined && outcome === "kept" && leftover.owned === true
  const { presence } = yield* Settings
  if (recoverable && presence.graceMs > 0) return yield* directory.depart(connectionId, presence.graceMs)
  const entry = yield* directory.remove(connectionId)
  if (entry !== undefined && outcome !== "taken" && leftover.owned !== false) yield* announceLeft(entry)
})

/** Where the engine is away it is kept for later. */
export const writeOffOrLater = Effect.fnUntraced(function* (
  leftover: Leftover,
): Effect.fn.Return<
  void,
  never,
  Backend | ConnectionDirectory | Engine | Ids | LocalConnections | SessionStore | Settings
> {
  const { writeLater } = yield* LocalConnections
  yield* Effect.catch(writeOff(leftover), ({ _tag }) => {
    writeLater(leftover)
    return Effect.logWarning("a closed connection could not be written off, and will be later", {
      connectionId: leftover.connectionId,
      code: _tag,
    })
  })
})
