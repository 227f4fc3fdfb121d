import * as Effect from "effect/Effect"
import { LocalConnections } from "#application/local-connections.ts"
import type { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { Engine } from "#application/ports/engine.ts"
import type { Ids } from "#application/ports/ids.ts"
import type { SessionStore } from "#application/ports/session-store.ts"
import type { Settings } from "#application/ports/settings.ts"
import { announceLeft } from "#application/presence.ts"
import { settleChange } from "#application/stored-membership.ts"
import { writeOff } from "#application/write-off.ts"
import type { Refused } from "#domain/errors.ts"

const AT_ONCE = 16
const BATCH = 500

/**
 * Looks after connections that are gone, once a second: tells the rooms of those whose grace is over, on whatever node
 * they were, that they left, and writes what this node could not write of its own.
 */
export const tendDepartures = Effect.fn("tendDepartures")(function* (): Effect.fn.Return<
  void,
  Refused<"engine_unavailable">,
  Backend | ConnectionDirectory | Engine | Ids | LocalConnections | SessionStore | Settings
> {
  const directory = yield* ConnectionDirectory
  // Whoever was given somebody to tell of is the only one who does.
  const tell = Effect.tap(directory.takeDeparted(BATCH), (entries) =>
    Effect.forEach(entries, announceLeft, { discard: true }),
  )
  for (let more = true; more; ) more = (yield* Effect.uninterruptible(tell)).length === BATCH
  const { unwritten, written } = yield* LocalConnections
  // The first failure ends it, once those under way are done.
  yield* Effect.forEach(
    [...unwritten],
    (late) =>
      Effect.uninterruptible(
        Effect.tap("room" in late ? settleChange(late) : writeOff(late), () => Effect.sync(() => written(late))),
      ),
    { concurrency: AT_ONCE, discard: true },
  )
})
