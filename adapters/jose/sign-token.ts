import * as Effect from "effect/Effect"
import { SignJWT } from "jose"

/** What a token made here says; times in s since 1970. */
export interface TokenContent {
  readonly userId: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly tokenId?: string
  readonly issuer?: string
  readonly audience?: string
  readonly rooms?: readonly string[]
  readonly publish?: readonly string[]
  readonly info?: unknown
  /** For the HTTP API: `publish`, `read`, `manage`, with spaces between. */
  readonly scope?: string
}

/** A token signed with HS256, for development and the command line. */
export const signToken = (content: TokenContent, secret: string): Effect.Effect<string> =>
  Effect.promise(() => {
    const { userId, issuedAt, expiresAt, tokenId, issuer, audience, rooms, publish, info, scope } = content
    const payload = {
      sub: userId,
      iat: issuedAt,
      exp: expiresAt,
      ...(tokenId !== undefined && { jti: tokenId }),
      ...(issuer !== undefined && { iss: issuer }),
      ...(audience !== undefined && { aud: audience }),
      ...(rooms !== undefined && { rooms }),
      ...(publish !== undefined && { publish }),
      ...(info !== undefined && { info }),
      ...(scope !== undefined && { scope }),
    }
    const header = { alg: "HS256", typ: "JWT" }
    return new SignJWT(payload).setProtectedHeader(header).sign(new TextEncoder().encode(secret))
  })
