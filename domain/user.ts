import { compilePatterns, type Matches } from "./pattern.ts"

/** How the ids of users begin who came without a token; no token's does. */
export const ANONYMOUS = "anonymous:"

/** What a verified token says, or what stands for one where anonymous connections are allowed. Times in s since 1970. */
export interface Claims {
  readonly userId: string
  readonly expiresAt: number
  /** Undefined counts as older than any revocation. */
  readonly issuedAt: number | undefined
  readonly tokenId: string | undefined
  readonly rooms: readonly string[]
  readonly publish: readonly string[]
  /** Shown to others in presence; any JSON. */
  readonly info: unknown
}

/** A user as one connection presents it: who it is, until when, and what its token grants. */
export interface User {
  readonly claims: Claims
  readonly mayJoin: Matches
  readonly mayPublish: Matches
}

const nothing: Matches = () => false
const compile = (patterns: readonly string[]): Matches => (patterns.length === 0 ? nothing : compilePatterns(patterns))

export const userOf = (claims: Claims): User => ({
  claims,
  mayJoin: compile(claims.rooms),
  mayPublish: compile(claims.publish),
})
