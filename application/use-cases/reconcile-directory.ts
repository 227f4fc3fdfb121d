import * as Effect from "effect/Effect"
import { LocalConnections } from "#application/local-connections.ts"
import { ConnectionDirectory, type Page } from "#application/ports/connection-directory.ts"
import { Settings } from "#application/ports/settings.ts"
import { TAKEN_MS } from "#application/write-off.ts"
import type { Refused } from "#domain/errors.ts"

const PAGE = 1_000

/**
 * What the directory has of this node and is not here departs, and its leave is told. A registration whose answer was
 * lost may have come there after its connection was written off; nothing else would find it while this node lives.
 */
export const reconcileDirectory = Effect.fn("reconcileDirectory")(function* (): Effect.fn.Return<
  void,
  Refused<"engine_unavailable">,
  ConnectionDirectory | LocalConnections | Settings
> {
  const { byId } = yield* LocalConnections
  const { presence } = yield* Settings
  const directory = yield* ConnectionDirectory
  let strays = 0
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page: Page<string> = yield* directory.registeredHere({ limit: PAGE, cursor })
    for (const id of page.items) {
      if (byId.has(id)) continue
      strays++
      // One that closes just now is written off as well; whoever has taken its session has as long as else.
      yield* directory.depart(id, Math.max(presence.graceMs, TAKEN_MS))
    }
    cursor = page.nextCursor
  }
  if (strays > 0) yield* Effect.logWarning("connections that are gone were still in the directory", { strays })
})
