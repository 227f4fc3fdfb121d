import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { type CryptoKey, type JWTPayload, SignJWT } from "jose"
import { type JoseOptions, joseTokenVerifier } from "#adapters/jose/jose-token-verifier.ts"
import { type ApiToken, TokenVerifier } from "#application/ports/token-verifier.ts"
import type { Refusal } from "#domain/errors.ts"
import type { Claims } from "#domain/user.ts"

export const SECRET = "a-secret-of-more-than-thirty-two-bytes!"

export const now = (): number => Math.floor(Date.now() / 1000)

/** A token as an application would make it; a claim that is `undefined` is left out. */
export const signed = (
  claims: Record<string, unknown>,
  key: CryptoKey | Uint8Array | string = SECRET,
  header: Record<string, unknown> = {},
): Promise<string> => {
  const payload: JWTPayload = { sub: "ana", iat: now(), exp: now() + 600, ...claims }
  for (const [name, value] of Object.entries(payload)) if (value === undefined) delete payload[name]
  return new SignJWT(payload)
    .setProtectedHeader({ alg: "HS256", ...header })
    .sign(typeof key === "string" ? new TextEncoder().encode(key) : key)
}

export interface Verifier {
  readonly verify: (token: string) => Promise<Claims | Refusal>
  readonly verifyApi: (token: string) => Promise<ApiToken | Refusal>
  /** What it wrote to the log. */
  readonly logged: readonly string[]
  readonly close: () => Promise<void>
}

/** The verifier as the gateway builds it; a refusal is an answer. */
export const verifierWith = async (options: Partial<JoseOptions>): Promise<Verifier> => {
  const logged: string[] = []
  const logger = Logger.make(({ message }) => {
    logged.push(JSON.stringify(message))
  })
  const runtime = ManagedRuntime.make(
    Layer.merge(
      joseTokenVerifier({ clockToleranceSeconds: 30, maxLifetimeSeconds: 86_400, ...options }),
      Logger.layer([logger]),
    ),
  )
  await runtime.context()
  const asAnswer = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A | E> =>
    Effect.catch(effect, (refusal) => Effect.succeed(refusal))
  return {
    verify: (token) => runtime.runPromise(TokenVerifier.use((verifier) => asAnswer(verifier.verify(token)))),
    verifyApi: (token) => runtime.runPromise(TokenVerifier.use((verifier) => asAnswer(verifier.verifyApi(token)))),
    logged,
    close: () => runtime.dispose(),
  }
}
