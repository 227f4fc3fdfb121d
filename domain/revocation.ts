import type { Claims } from "./user.ts"

/** What a revocation looks at: a client's token has it, and one for the HTTP API. */
export type Issued = Pick<Claims, "userId" | "tokenId" | "issuedAt">

/** Tokens that are valid no more: a user's, issued before then (s since 1970), or the one of this id (its `jti`). */
export type RevokedTokens = { readonly userId: string; readonly issuedBefore: number } | { readonly tokenId: string }

/** A token that does not say when it was issued counts as older than any revocation. */
export const isRevokedBy = (claims: Issued, revoked: RevokedTokens): boolean =>
  "tokenId" in revoked
    ? claims.tokenId === revoked.tokenId
    : claims.userId === revoked.userId && (claims.issuedAt === undefined || claims.issuedAt < revoked.issuedBefore)

export const MAX_REVOCATIONS = 100_000

/**
 * Twice the largest clock tolerance that can be configured (10 min): a token may say that it was issued so much later
 * than it was, or not say it and end so much later, and is then taken for valid so long after its end.
 */
const MARGIN_MS = 1_200_000

/** Until when a revocation is kept: no token that it is about can be valid any more. All in ms, but what tokens say (s). */
export const keptUntil = (
  revoked: RevokedTokens & { readonly expiresAt?: number | undefined },
  nowMs: number,
  maxTokenLifetimeMs: number,
): number => {
  if (!("tokenId" in revoked)) return Math.max(nowMs, revoked.issuedBefore * 1000) + maxTokenLifetimeMs + MARGIN_MS
  return (revoked.expiresAt === undefined ? nowMs + maxTokenLifetimeMs : revoked.expiresAt * 1000) + MARGIN_MS
}

/** Whose tokens they are: users and tokens of the same name are told apart. */
export const subjectOf = (revoked: RevokedTokens): string =>
  "tokenId" in revoked ? `token ${revoked.tokenId}` : `user ${revoked.userId}`
