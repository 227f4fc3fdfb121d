import * as Effect from "effect/Effect"
import { ConnectionDirectory, type ConnectionEntry } from "#application/ports/connection-directory.ts"
import { Refusal, type Refused } from "#domain/errors.ts"

/** One connection, on whatever node. */
export const lookUpConnection = Effect.fn("lookUpConnection")(function* (
  connectionId: string,
): Effect.fn.Return<ConnectionEntry, Refused<"engine_unavailable" | "not_found">, ConnectionDirectory> {
  const directory = yield* ConnectionDirectory
  const entry = yield* directory.connection(connectionId)
  if (entry === undefined) return yield* Effect.fail(new Refusal("not_found", "there is no connection of this id"))
  return entry
})
