import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Issued } from "#domain/revocation.ts"
import type { Claims } from "#domain/user.ts"

export type Scope = "publish" | "read" | "manage"

/** What a token for the HTTP API says; `userId` is its `sub`. */
export interface ApiToken extends Issued {
  readonly scopes: readonly Scope[]
}

/**
 * Checks tokens (JWT, RFC 7519) by a closed list of algorithms. `keys_unavailable`: the key set could not be fetched, so
 * nothing is known of the token. A client's token is never one of the API's: they differ in audience.
 */
export class TokenVerifier extends Context.Service<
  TokenVerifier,
  {
    readonly verify: (
      token: string,
    ) => Effect.Effect<Claims, Refused<"unauthorized" | "token_expired" | "keys_unavailable">>
    /** A JWT with the API's own audience and a `scope` claim. */
    readonly verifyApi: (
      token: string,
    ) => Effect.Effect<ApiToken, Refused<"unauthorized" | "token_expired" | "keys_unavailable">>
  }
>()("roomcast/application/ports/token-verifier") {}
