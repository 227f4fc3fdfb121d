import * as Effect from "effect/Effect"
import { Refusal, type Refused } from "#domain/errors.ts"
import { isSessionId } from "#domain/session.ts"
import { ANONYMOUS, type Claims } from "#domain/user.ts"
import { Ids } from "./ports/ids.ts"
import { SessionStore } from "./ports/session-store.ts"
import { Settings } from "./ports/settings.ts"
import { TokenVerifier } from "./ports/token-verifier.ts"

/** A client without a token stays who it was where it sends its session back: its id is a secret that it alone has. */
const anonymousId = Effect.fnUntraced(function* (sessionId: unknown) {
  const ids = yield* Ids
  const sessions = yield* SessionStore
  const stored = isSessionId(sessionId) ? yield* sessions.read(sessionId) : undefined
  const userId = stored?.session.userId
  return userId?.startsWith(ANONYMOUS) ? userId : `${ANONYMOUS}${ids.anonymous()}`
})

/** Who a client is: by its token, else nobody, or somebody nameless where the configuration allows it. */
export const identifyClient = Effect.fnUntraced(function* (
  { sessionId, token }: { readonly sessionId: unknown; readonly token: string | undefined },
  nowMs: number,
): Effect.fn.Return<
  Claims,
  Refused<"engine_unavailable" | "keys_unavailable" | "token_expired" | "unauthorized">,
  Ids | SessionStore | Settings | TokenVerifier
> {
  const { anonymous, maxTokenLifetimeMs } = yield* Settings
  if (token !== undefined) {
    const verifier = yield* TokenVerifier
    const claims = yield* verifier.verify(token)
    if (claims.userId.startsWith(ANONYMOUS))
      return yield* Effect.fail(
        new Refusal("unauthorized", `the token's sub begins with ${ANONYMOUS}: such users have no token`),
      )
    return claims
  }
  if (!anonymous)
    return yield* Effect.fail(
      new Refusal("unauthorized", "no token: give one as auth.token or as Authorization: Bearer"),
    )
  return {
    userId: yield* anonymousId(sessionId),
    expiresAt: Math.floor((nowMs + maxTokenLifetimeMs) / 1000),
    issuedAt: Math.floor(nowMs / 1000),
    tokenId: undefined,
    rooms: [],
    publish: [],
    info: undefined,
  }
})
