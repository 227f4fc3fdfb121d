import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type CommandRefusal, NodeCommands } from "#application/ports/node-commands.ts"
import { type RevocationInput, Revocations } from "#application/ports/revocations.ts"
import type { Refused } from "#domain/errors.ts"
import { invalidRequest } from "#domain/invalid-request.ts"

export interface TokensRevoked {
  readonly id: string
  /** Connections that were closed. */
  readonly disconnected: number
}

const CLOCK_SKEW_SECONDS = 60

/**
 * Makes tokens invalid, then closes the connections that live by them, on every node: a connection that is just being
 * made asks for revocations again once it is registered, so none slips between the two. Every node is told, for only
 * the one that holds a connection knows its token's id and age. After a failure the revocation may stand already: the
 * same again is safe.
 */
export const revokeTokens = Effect.fn("revokeTokens")(function* (
  revocation: RevocationInput,
): Effect.fn.Return<
  TokensRevoked,
  CommandRefusal | Refused<"invalid_request" | "overloaded">,
  NodeCommands | Revocations
> {
  const nowSeconds = (yield* Clock.currentTimeMillis) / 1000
  if ("userId" in revocation && revocation.issuedBefore > nowSeconds + CLOCK_SKEW_SECONDS) {
    const detail = "lies in the future: tokens that are not issued yet cannot be revoked"
    return yield* Effect.fail(invalidRequest([{ pointer: "/issuedBefore", detail }]))
  }
  const revocations = yield* Revocations
  const commands = yield* NodeCommands
  const { id } = yield* revocations.add(revocation)
  const answers = yield* Effect.forEach(
    yield* commands.nodes(),
    (node) => commands.send(node, { kind: "revoke", revocation }),
    { concurrency: "unbounded" },
  )
  let disconnected = 0
  for (const answer of answers) if (answer.kind === "closed") disconnected += answer.count
  return { id, disconnected }
})
