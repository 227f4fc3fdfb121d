import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Scope } from "./token-verifier.ts"

/** The three headers of a Standard Webhook. */
export interface Signature {
  readonly id: string
  readonly timestamp: string
  readonly signature: string
}

/**
 * Checks an HTTP API request that is signed in the Standard Webhooks form; the same signed id passes once. The body is
 * asked for only where it can decide: anybody may send one. `overloaded`: the signature is valid, but so many ids are
 * remembered that this one cannot be told from a repeated one.
 */
export class SignatureVerifier extends Context.Service<
  SignatureVerifier,
  {
    readonly verify: <E, R>(
      signature: Signature,
      body: Effect.Effect<string, E, R>,
    ) => Effect.Effect<
      { readonly id: string; readonly scopes: readonly Scope[] },
      E | Refused<"unauthorized" | "overloaded">,
      R
    >
  }
>()("roomcast/application/ports/signature-verifier") {}
