import { decodeProtectedHeader, errors } from "jose"
import { Refusal, type Refused } from "#domain/errors.ts"
import { refuse } from "./token-claims.ts"
import type { TokenKeys } from "./token-keys.ts"

export type TokenRefusal = Refused<"unauthorized" | "token_expired" | "keys_unavailable">

/** A short word of the header that can be shown; what a stranger wrote there at length cannot. */
const algorithmIn = (token: string): string => {
  const { alg } = decodeProtectedHeader(token)
  return typeof alg === "string" && /^[A-Za-z0-9-]{1,16}$/.test(alg) ? alg : "another"
}

/** What jose found wrong, in our words; undefined where the fault is the key's, not the token's. */
export const refusalOf = (
  error: unknown,
  token: string,
  keys: TokenKeys,
  nowSeconds: number,
): TokenRefusal | undefined => {
  if (error instanceof errors.JWTExpired) {
    const { exp } = error.payload
    return new Refusal("token_expired", `the token expired ${Math.max(0, nowSeconds - Math.floor(exp ?? 0))} s ago`)
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === "missing") return refuse(`the token has no ${error.claim}`)
    if (error.reason === "invalid") return refuse(`the token's ${error.claim} is a number of seconds, found no number`)
    if (error.claim === "nbf") return refuse("the token is not valid yet: its nbf is in the future")
    return refuse(`the token's ${error.claim} is not one that is accepted here`)
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return keys.algorithms.length === 0
      ? refuse("no token is accepted here: no key is configured")
      : refuse(`the token's alg is one of ${keys.algorithms.join(", ")}, found ${algorithmIn(token)}`)
  if (error instanceof errors.JWSSignatureVerificationFailed) return refuse("the token's signature is not valid")
  if (error instanceof errors.JWKSNoMatchingKey) return refuse("the key set has no key of the token's kid and alg")
  if (error instanceof errors.JWKSMultipleMatchingKeys) return refuse("the key set has several keys, the token no kid")
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid)
    return refuse("the token is no signed JWT in compact form (RFC 7519)")
  if (error instanceof errors.JOSENotSupported) return refuse("the token asks for an extension that is not supported")
  return undefined
}
