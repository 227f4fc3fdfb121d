import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type JWTPayload, jwtVerify } from "jose"
import { type Scope, TokenVerifier } from "#application/ports/token-verifier.ts"
import { Refusal } from "#domain/errors.ts"
import { KEY_SET_TIMES, type KeySetTimes, KeysUnavailable, keySetAt } from "./key-set.ts"
import { claimsOf, type Lifetime, lifetimeOf, refuse, subjectOf, tokenIdOf } from "./token-claims.ts"
import { InvalidKeys, noKeys, publicKeys, secretKeys, type TokenKeys } from "./token-keys.ts"
import { refusalOf, type TokenRefusal } from "./token-refusals.ts"

/** At most one of `secret`, `publicKey` and `jwksUrl`; with none every token is refused. */
export interface JoseOptions {
  /** HS256, HS384, HS512. */
  readonly secret?: string
  /** PEM (SPKI) or JWK as JSON: RS*, PS*, ES* or EdDSA, as the key is. */
  readonly publicKey?: string
  readonly jwksUrl?: string
  readonly issuer?: string | readonly string[]
  readonly audience?: string | readonly string[]
  readonly clockToleranceSeconds: number
  readonly maxLifetimeSeconds: number
  /** The audience of tokens for the HTTP API: no client's token has it, every API token has. */
  readonly api?: { readonly audience: string }
  readonly keySetTimes?: Partial<KeySetTimes>
}

export const MAX_TOKEN_BYTES = 8_192

/** What jose throws beside its own errors is about the key: a key set may hold one that is too short. */
class KeyUnusable extends Data.TaggedError("KeyUnusable")<{ readonly cause: unknown }> {}

const SCOPES: ReadonlySet<string> = new Set<Scope>(["publish", "read", "manage"])

const listOf = (value: string | readonly string[] | undefined): readonly string[] | undefined =>
  typeof value === "string" ? [value] : value

const keysFor = (options: JoseOptions): Effect.Effect<TokenKeys, InvalidKeys> => {
  const { secret, publicKey, jwksUrl } = options
  if ([secret, publicKey, jwksUrl].filter((key) => key !== undefined).length > 1)
    return Effect.fail(new InvalidKeys({ message: "jwt has one of secret, publicKey and jwksUrl, found several" }))
  if (secret !== undefined) return secretKeys(secret)
  if (publicKey !== undefined) return publicKeys(publicKey)
  if (jwksUrl === undefined) return Effect.succeed(noKeys)
  if (!URL.canParse(jwksUrl) || !/^https?:$/.test(new URL(jwksUrl).protocol))
    return Effect.fail(new InvalidKeys({ message: "jwt.jwksUrl is an http or https URL" }))
  return Effect.succeed(keySetAt(new URL(jwksUrl), { ...KEY_SET_TIMES, ...options.keySetTimes }))
}

const causeText = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message
}

const warn = (message: string, cause: unknown): Effect.Effect<void> =>
  Effect.logWarning(message, { reason: causeText(cause) }).pipe(Effect.annotateLogs("category", ["adapters", "jose"]))

const make = Effect.fnUntraced(function* (options: JoseOptions) {
  const keys = yield* keysFor(options)
  const audience = listOf(options.audience)
  const apiAudience = options.api?.audience
  if (apiAudience !== undefined && audience?.includes(apiAudience))
    return yield* new InvalidKeys({ message: "jwt.audience and the audience of API tokens differ, found the same" })
  const { clockToleranceSeconds, maxLifetimeSeconds } = options
  const issuer = listOf(options.issuer)
  const retryAfterMs = options.keySetTimes?.retryMs ?? KEY_SET_TIMES.retryMs
  let logged: unknown

  const unavailable = Effect.fnUntraced(function* ({ cause }: KeysUnavailable) {
    if (cause !== logged) {
      logged = cause
      yield* warn("the key set cannot be had", cause)
    }
    const message = "the keys that check tokens cannot be had now"
    return yield* Effect.fail(new Refusal("keys_unavailable", message, { retryAfterMs }))
  })

  const unusable = Effect.fnUntraced(function* ({ cause }: KeyUnusable) {
    yield* warn("a token's key cannot be used", cause)
    return yield* Effect.fail(refuse("the key that the token names cannot be used"))
  })

  const check = Effect.fnUntraced(function* (
    token: string,
    accepted: readonly string[] | undefined,
  ): Effect.fn.Return<readonly [JWTPayload, Lifetime], TokenRefusal> {
    if (token.length > MAX_TOKEN_BYTES)
      return yield* Effect.fail(refuse(`a token has at most ${MAX_TOKEN_BYTES} bytes, found ${token.length}`))
    const nowSeconds = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const { payload } = yield* Effect.tryPromise({
      try: () =>
        jwtVerify(token, keys.keyOf, {
          algorithms: [...keys.algorithms],
          requiredClaims: ["exp", "sub"],
          clockTolerance: clockToleranceSeconds,
          currentDate: new Date(nowSeconds * 1000),
          ...(issuer !== undefined && { issuer: [...issuer] }),
          ...(accepted !== undefined && { audience: [...accepted] }),
        }),
      catch: (error) =>
        error instanceof KeysUnavailable
          ? error
          : (refusalOf(error, token, keys, nowSeconds) ?? new KeyUnusable({ cause: error })),
    }).pipe(Effect.catchTags({ KeysUnavailable: unavailable, KeyUnusable: unusable }))
    const lifetime = lifetimeOf(payload, nowSeconds, clockToleranceSeconds, maxLifetimeSeconds)
    return lifetime instanceof Refusal ? yield* Effect.fail(lifetime) : [payload, lifetime]
  })

  return TokenVerifier.of({
    verify: Effect.fnUntraced(function* (token) {
      const [payload, lifetime] = yield* check(token, audience)
      const { aud } = payload
      if (apiAudience !== undefined && (aud === apiAudience || (Array.isArray(aud) && aud.includes(apiAudience))))
        return yield* Effect.fail(refuse("the token is for the HTTP API: its aud is not a client's"))
      const claims = claimsOf(payload, lifetime)
      return claims instanceof Refusal ? yield* Effect.fail(claims) : claims
    }),
    verifyApi: Effect.fnUntraced(function* (token) {
      if (apiAudience === undefined)
        return yield* Effect.fail(refuse("the HTTP API takes no token: no audience for it is configured"))
      const [payload, { issuedAt }] = yield* check(token, [apiAudience])
      const userId = subjectOf(payload)
      if (userId instanceof Refusal) return yield* Effect.fail(userId)
      const tokenId = tokenIdOf(payload)
      if (tokenId instanceof Refusal) return yield* Effect.fail(tokenId)
      const { scope } = payload
      if (typeof scope !== "string")
        return yield* Effect.fail(refuse("the token's scope is a string of publish, read, manage and spaces"))
      const scopes = scope.split(" ").filter((word): word is Scope => SCOPES.has(word))
      return { userId, tokenId, issuedAt, scopes: [...new Set(scopes)] }
    }),
  })
})

/** Tokens by jose, as the port asks. Fails at start where the keys or audiences cannot be used. */
export const joseTokenVerifier = (options: JoseOptions): Layer.Layer<TokenVerifier, InvalidKeys> =>
  Layer.effect(TokenVerifier, make(options))
