import type { JWTPayload } from "jose"
import { Refusal } from "#domain/errors.ts"
import { MAX_NAME_BYTES, nameFault, utf8Length } from "#domain/name.ts"
import { payloadFault } from "#domain/payload.ts"
import type { Claims } from "#domain/user.ts"

/** Of each of `rooms` and `publish`. */
export const MAX_PATTERNS = 100
export const MAX_INFO_BYTES = 2_048

export type Unauthorized = Refusal<"unauthorized">

/** Says which claim is wrong, what was found in kind and size, and what is allowed; never a claim's value. */
export const refuse = (message: string): Unauthorized => new Refusal("unauthorized", message)

const kindOf = (value: unknown): string => {
  if (value === null) return "null"
  return Array.isArray(value) ? "an array" : `${typeof value === "object" ? "an" : "a"} ${typeof value}`
}

export interface Lifetime {
  readonly expiresAt: number
  readonly issuedAt: number | undefined
}

/**
 * When the token was issued and ends, s since 1970. One that says it is issued in the future would outlive both its
 * longest lifetime and a revocation of what was issued before now.
 */
export const lifetimeOf = (
  { exp, iat }: JWTPayload,
  nowSeconds: number,
  toleranceSeconds: number,
  maxSeconds: number,
): Lifetime | Unauthorized => {
  if (!Number.isFinite(exp) || exp === undefined) return refuse("the token's exp is a number of seconds, found none")
  if (iat !== undefined && iat > nowSeconds + toleranceSeconds) return refuse("the token's iat is in the future")
  const seconds = iat === undefined ? exp - nowSeconds - toleranceSeconds : exp - iat
  if (seconds > maxSeconds)
    return refuse(`the token lives for at most ${maxSeconds} s (exp - iat), found ${Math.ceil(seconds)} s`)
  return { expiresAt: exp, issuedAt: iat }
}

export const subjectOf = ({ sub }: JWTPayload): string | Unauthorized => {
  const fault = nameFault(sub, "user")
  return sub === undefined || fault !== undefined ? refuse(`the token's sub: ${fault ?? "there is none"}`) : sub
}

export const tokenIdOf = ({ jti }: JWTPayload): string | undefined | Unauthorized =>
  jti === undefined || (typeof jti === "string" && jti !== "" && utf8Length(jti) <= MAX_NAME_BYTES)
    ? jti
    : refuse(`the token's jti is a string of 1-${MAX_NAME_BYTES} bytes`)

const patternsOf = (value: unknown, claim: string): readonly string[] | Unauthorized => {
  if (value === undefined) return []
  if (!Array.isArray(value)) return refuse(`the token's ${claim} is an array of strings, found ${kindOf(value)}`)
  if (value.length > MAX_PATTERNS)
    return refuse(`the token's ${claim} has at most ${MAX_PATTERNS} patterns, found ${value.length}`)
  const patterns: string[] = []
  for (const [index, pattern] of value.entries()) {
    const at = `the token's ${claim}, item ${index},`
    if (typeof pattern !== "string") return refuse(`${at} is a string, found ${kindOf(pattern)}`)
    const bytes = utf8Length(pattern)
    if (bytes === 0 || bytes > MAX_NAME_BYTES)
      return refuse(`${at} has 1-${MAX_NAME_BYTES} bytes of UTF-8, found ${bytes}`)
    patterns.push(pattern)
  }
  return patterns
}

const infoFault = (info: unknown): Unauthorized | undefined => {
  if (info === undefined) return undefined
  const fault = payloadFault(info, "")
  if (fault !== undefined) return refuse(`the token's info: ${fault.message}`)
  const bytes = utf8Length(JSON.stringify(info))
  if (bytes <= MAX_INFO_BYTES) return undefined
  return refuse(`the token's info has at most ${MAX_INFO_BYTES} bytes as JSON, found ${bytes}`)
}

/** A client's claims, or what is wrong with them. */
export const claimsOf = (payload: JWTPayload, lifetime: Lifetime): Claims | Unauthorized => {
  const { rooms, publish, info } = payload
  const userId = subjectOf(payload)
  if (userId instanceof Refusal) return userId
  const tokenId = tokenIdOf(payload)
  if (tokenId instanceof Refusal) return tokenId
  const mayJoin = patternsOf(rooms, "rooms")
  if (mayJoin instanceof Refusal) return mayJoin
  const mayPublish = patternsOf(publish, "publish")
  if (mayPublish instanceof Refusal) return mayPublish
  const fault = infoFault(info)
  return fault ?? { userId, ...lifetime, tokenId, rooms: mayJoin, publish: mayPublish, info }
}
