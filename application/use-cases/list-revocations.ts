import type * as Effect from "effect/Effect"
import type { Page, PageRequest } from "#application/ports/connection-directory.ts"
import { type Revocation, Revocations } from "#application/ports/revocations.ts"
import type { Refused } from "#domain/errors.ts"

/** The revocations in force. */
export const listRevocations = (
  page: PageRequest,
): Effect.Effect<Page<Revocation>, Refused<"engine_unavailable">, Revocations> =>
  Revocations.use((revocations) => revocations.list(page))
