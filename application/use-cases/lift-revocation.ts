import * as Effect from "effect/Effect"
import { Revocations } from "#application/ports/revocations.ts"
import { Refusal, type Refused } from "#domain/errors.ts"

/** Its tokens are valid again, as far as no other revocation covers them. */
export const liftRevocation = Effect.fn("liftRevocation")(function* (
  id: string,
): Effect.fn.Return<void, Refused<"engine_unavailable" | "not_found">, Revocations> {
  const revocations = yield* Revocations
  if (!(yield* revocations.remove(id)))
    return yield* Effect.fail(new Refusal("not_found", "there is no revocation of this id"))
})
