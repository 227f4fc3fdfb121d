import * as Effect from "effect/Effect"
import { LocalConnections } from "#application/local-connections.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { CLOSINGS } from "#domain/closing.ts"
import type { Refused } from "#domain/errors.ts"

const AT_ONCE = 64

/** Sessions that are held here live on; a connection whose session another one owns by now, or nobody any more, is closed. */
export const renewSessions = Effect.fn("renewSessions")(function* (): Effect.fn.Return<
  void,
  Refused<"engine_unavailable">,
  LocalConnections | SessionStore
> {
  const { byId } = yield* LocalConnections
  const sessions = yield* SessionStore
  yield* Effect.forEach(
    [...byId.values()],
    Effect.fnUntraced(function* ({ link, session }) {
      if (session === undefined) return
      const outcome = yield* sessions.renew(session.id, session.owner)
      if (outcome !== "renewed") link.close(outcome === "taken" ? CLOSINGS.sessionTaken : CLOSINGS.newEpoch)
    }),
    { concurrency: AT_ONCE, discard: true },
  )
})
