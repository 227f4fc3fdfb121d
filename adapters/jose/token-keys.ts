import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import {
  base64url,
  type CryptoKey,
  errors,
  exportJWK,
  importJWK,
  importSPKI,
  type JWK,
  type JWTVerifyGetKey,
} from "jose"

/** The configured keys cannot be used: the gateway does not start. The message shows nothing of a key. */
export class InvalidKeys extends Data.TaggedError("InvalidKeys")<{ readonly message: string }> {}

/** What checks a signature: one kind of key and the algorithms that fit it; no other is tried (RFC 8725, 3.1). */
export interface TokenKeys {
  readonly algorithms: readonly string[]
  readonly keyOf: JWTVerifyGetKey
}

export const SECRET_ALGORITHMS = ["HS256", "HS384", "HS512"]
const RSA_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
const CURVE_ALGORITHMS = new Map([
  ["P-256", ["ES256"]],
  ["P-384", ["ES384"]],
  ["P-521", ["ES512"]],
  // RFC 9864 gives EdDSA over this curve the second name.
  ["Ed25519", ["EdDSA", "Ed25519"]],
])
export const PUBLIC_ALGORITHMS = [...RSA_ALGORITHMS, ...[...CURVE_ALGORITHMS.values()].flat()]

const MIN_RSA_BITS = 2048

const wrong = (found: string): InvalidKeys =>
  new InvalidKeys({
    message: `jwt.publicKey is a PEM public key (-----BEGIN PUBLIC KEY-----) or a public JWK as JSON, found ${found}`,
  })

/** No token can be checked: for a gateway whose users are all anonymous. */
export const noKeys: TokenKeys = {
  algorithms: [],
  keyOf: () => {
    throw new errors.JOSEAlgNotAllowed("there is no key")
  },
}

export const secretKeys = (secret: string): Effect.Effect<TokenKeys, InvalidKeys> => {
  const key = new TextEncoder().encode(secret)
  if (key.length === 0) return Effect.fail(new InvalidKeys({ message: "jwt.secret is text, found an empty one" }))
  return Effect.succeed({ algorithms: SECRET_ALGORITHMS, keyOf: () => key })
}

/** A PEM says what its key is only to whoever imports it: each kind is tried. */
const pemToJwk = async (pem: string): Promise<JWK> => {
  for (const algorithm of ["RS256", "ES256", "ES384", "ES512", "EdDSA"]) {
    const key = await importSPKI(pem, algorithm, { extractable: true }).catch(() => undefined)
    if (key !== undefined) return exportJWK(key)
  }
  throw wrong("a PEM whose key is none of RSA, P-256, P-384, P-521 and Ed25519")
}

const isJwk = (value: unknown): value is JWK =>
  typeof value === "object" && value !== null && "kty" in value && typeof value.kty === "string"

const parseJwk = (text: string): JWK => {
  if (text.startsWith("-----")) throw wrong(`"${text.split("\n", 1)[0]?.slice(0, 50)}"`)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw wrong("text that is neither")
  }
  if (!isJwk(parsed)) throw wrong("JSON without kty")
  return parsed
}

const algorithmsOf = (jwk: JWK): readonly string[] => {
  if (jwk.kty === "oct") throw wrong("a symmetric key: that goes into jwt.secret")
  if (jwk.d !== undefined) throw wrong("a private key")
  if (jwk.use !== undefined && jwk.use !== "sig") throw wrong("a key that is not for signatures")
  const bits = jwk.kty === "RSA" ? base64url.decode(jwk.n ?? "").length * 8 : MIN_RSA_BITS
  if (bits < MIN_RSA_BITS) throw wrong(`an RSA key of ${bits} bits, at least ${MIN_RSA_BITS} are needed`)
  const fitting = jwk.kty === "RSA" ? RSA_ALGORITHMS : (CURVE_ALGORITHMS.get(jwk.crv ?? "") ?? [])
  const algorithms = jwk.alg === undefined ? fitting : fitting.filter((algorithm) => algorithm === jwk.alg)
  if (algorithms.length === 0) throw wrong("a JWK whose kty, crv and alg give no supported algorithm")
  return algorithms
}

const importPublic = async (text: string): Promise<TokenKeys> => {
  const jwk = text.startsWith("-----BEGIN PUBLIC KEY-----") ? await pemToJwk(text) : parseJwk(text)
  const algorithms = algorithmsOf(jwk)
  const keys = new Map<string, CryptoKey | Uint8Array>()
  for (const algorithm of algorithms) keys.set(algorithm, await importJWK(jwk, algorithm))
  return {
    algorithms,
    keyOf: ({ alg }) => {
      const key = keys.get(alg)
      if (key === undefined) throw new errors.JOSEAlgNotAllowed("the algorithm does not fit the key")
      return key
    },
  }
}

/** One public key: PEM (SPKI, RFC 7468) or JWK (RFC 7517), whose own `alg` leaves that algorithm only. */
export const publicKeys = (text: string): Effect.Effect<TokenKeys, InvalidKeys> =>
  Effect.tryPromise({
    try: () => importPublic(text.trim()),
    catch: (error) => (error instanceof InvalidKeys ? error : wrong("a key that cannot be imported")),
  })
