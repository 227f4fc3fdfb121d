import { createHash, timingSafeEqual } from "node:crypto"
import * as Effect from "effect/Effect"
import type { Context, MiddlewareHandler } from "hono"
import { Revocations } from "#application/ports/revocations.ts"
import { type Signature, SignatureVerifier } from "#application/ports/signature-verifier.ts"
import { type Scope, TokenVerifier } from "#application/ports/token-verifier.ts"
import { Refusal } from "#domain/errors.ts"
import { type Runtime, settle } from "./endpoint.ts"
import type { Credential, Env } from "./env.ts"
import { problem } from "./problem.ts"
import { unverifiedBodies } from "./unverified-bodies.ts"

/** A key of the API as the configuration keeps it: `hash` is `sha256:` and the key's SHA-256 in base64url. */
export interface ApiKey {
  readonly id: string
  readonly scopes: readonly Scope[]
  readonly hash: string
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest()

/** What `ApiKey.hash` holds of a key. Keys are random, so that a fast hash keeps them. */
export const hashApiKey = (key: string): string => `sha256:${sha256(key).toString("base64url")}`

const MAX_KEY = 512
const MAX_TOKEN = 8_192
const HASH = /^sha256:([\w-]{43})$/
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i

const digestOf = ({ id, hash }: ApiKey): Buffer => {
  const digest = HASH.exec(hash)?.[1]
  if (digest === undefined) throw new TypeError(`key ${id}: hash is sha256:<43 characters of base64url>`)
  return Buffer.from(digest, "base64url")
}

const SIGNATURE_HEADERS = ["webhook-id", "webhook-timestamp", "webhook-signature"] as const

const isJwt = (value: string): boolean => value.split(".", 4).length === 3

const byToken = Effect.fnUntraced(function* (token: string) {
  const verifier = yield* TokenVerifier
  const verified = yield* verifier.verifyApi(token)
  const revocations = yield* Revocations
  if (yield* revocations.isRevoked(verified)) return yield* Effect.fail(new Refusal("revoked", "the token was revoked"))
  return { id: `token:${verified.userId}`, scopes: verified.scopes }
})

type Found = { readonly value: Credential } | { readonly response: Response }

/**
 * Knows the caller by its API key, else by a JWT with the API's audience, both as `Authorization: Bearer`, else by the
 * three headers of a Standard Webhooks signature over the body. Every failure looks alike: 401.
 */
export const authenticate = (runtime: Runtime, keys: readonly ApiKey[]): MiddlewareHandler<Env> => {
  const known = keys.map((key) => ({ digest: digestOf(key), credential: { id: key.id, scopes: key.scopes } }))

  /** Compares with every key, so that the time tells nothing. */
  const byKey = (value: string): Credential | undefined => {
    const digest = sha256(value)
    let found: Credential | undefined
    for (const key of known) if (timingSafeEqual(key.digest, digest)) found = key.credential
    return found
  }

  const refuse = (c: Context<Env>, message: string): Found => ({
    response: problem(c, new Refusal("unauthorized", message)),
  })

  const byBearer = (c: Context<Env>, authorization: string): Found | Promise<Found> => {
    const value = BEARER.exec(authorization)?.[1]
    if (value === undefined) return refuse(c, "Authorization is: Bearer, a space, and an API key")
    const credential = value.length <= MAX_KEY ? byKey(value) : undefined
    if (credential !== undefined) return { value: credential }
    if (value.length > MAX_TOKEN || !isJwt(value)) return refuse(c, "the API key is not known")
    return settle(runtime, c, byToken(value))
  }

  const bodyOf = unverifiedBodies()
  const bySignature = (c: Context<Env>, signature: Signature): Promise<Found> =>
    settle(
      runtime,
      c,
      Effect.map(
        SignatureVerifier.use((verifier) => verifier.verify(signature, bodyOf(c))),
        ({ id, scopes }) => ({ id: `signature:${id}`, scopes }),
      ),
    )

  const identify = (c: Context<Env>): Found | Promise<Found> => {
    const authorization = c.req.header("authorization")
    if (authorization !== undefined) return byBearer(c, authorization)
    const [id, timestamp, signature] = SIGNATURE_HEADERS.map((name) => c.req.header(name))
    if (id !== undefined && timestamp !== undefined && signature !== undefined)
      return bySignature(c, { id, timestamp, signature })
    const missing = SIGNATURE_HEADERS.filter((name) => c.req.header(name) === undefined)
    return refuse(
      c,
      missing.length === 3
        ? "send an API key as Authorization: Bearer, or sign the request"
        : `a signed request has ${SIGNATURE_HEADERS.join(", ")}; missing: ${missing.join(", ")}`,
    )
  }

  return async (c, next) => {
    if (c.req.method === "OPTIONS") return next()
    const found = await identify(c)
    if ("response" in found) return found.response
    c.set("credential", found.value)
    return next()
  }
}
