import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Issued } from "#domain/revocation.ts"
import type { Page, PageRequest } from "./connection-directory.ts"

export type RevocationInput =
  /** Every token of the user that was issued before then (s since 1970), and those that do not say when. */
  | { readonly userId: string; readonly issuedBefore: number }
  | { readonly tokenId: string; readonly expiresAt: number | undefined }

export type Revocation = RevocationInput & { readonly id: string; readonly createdAt: number }

type Unavailable = Refused<"engine_unavailable">

/**
 * Tokens that are valid no more. Kept until no token that they are about can still be valid, clock tolerance included.
 * Contract: tests/contracts/revocations-contract.ts.
 */
export class Revocations extends Context.Service<
  Revocations,
  {
    readonly add: (
      revocation: RevocationInput,
    ) => Effect.Effect<Revocation, Refused<"engine_unavailable" | "overloaded">>
    readonly list: (page: PageRequest) => Effect.Effect<Page<Revocation>, Unavailable>
    /** False: there is none of that id. */
    readonly remove: (id: string) => Effect.Effect<boolean, Unavailable>
    readonly isRevoked: (claims: Issued) => Effect.Effect<boolean, Unavailable>
  }
>()("roomcast/application/ports/revocations") {}
