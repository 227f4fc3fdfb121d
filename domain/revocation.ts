import type { Claims } from "./user.ts"

/** What a revocation looks at: a client's token has it, and one for the HTTP API. */
export type Issued = Pick<Claims, "userId" | "tokenId" | "issuedAt">

/** Tokens that are valid no more: a user's, issued before then (s since 1970), or the one of this id (its `jti`). */
export type RevokedTokens = { readonly userId: string; readonly issuedBefore: number } | { readonly tokenId: string }

/** A token that does not say when it was issued counts as older than any revocation. DESIGN section 3, `iat`. */
export const isRevokedBy = (claims: Issued, revoked: RevokedTokens): boolean =>
  "tokenId" in revoked
    ? claims.tokenId === revoked.tokenId
    : claims.userId === revoked.userId && (claims.issuedAt === undefined || claims.issuedAt < revoked.issuedBefore)
