import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"

/**
 * For work whose answer the engine's own record cannot hold (a push that waits for acknowledgements): the first caller of
 * a key runs it, whoever repeats the key meanwhile or within 10 minutes gets the same answer. A failure is not kept. The
 * work goes on when its first caller goes away. Contract: tests/contracts/idempotency-contract.ts.
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    readonly once: <A, E, R>(
      key: string,
      digest: string,
      work: Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, E | Refused<"engine_unavailable" | "idempotency_key_reused" | "overloaded">, R>
  }
>()("roomcast/application/ports/idempotency") {}
