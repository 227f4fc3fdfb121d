import { isIP } from "node:net"
import { nameFault } from "#domain/name.ts"

/** A URL of http or https without a user's name or password, which would end up in logs. */
export const isHttpUrl = (value: string): boolean => {
  const url = URL.parse(value)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === ""
}

/** Nodes speak plain HTTP with each other; where to is a host, not a path. */
export const isAdvertised = (value: string): boolean => isHttpUrl(value) && /^http:\/\/[^/?#]+\/?$/.test(value)

/** What a browser sends as `Origin`, or `*`. RFC 6454, 6.1. A star within one is no pattern, and no page is from there. */
export const isOrigin = (value: string): boolean =>
  value === "*" || (isHttpUrl(value) && !value.includes("*") && new URL(value).origin === value)

/** An address, alone or with the length of its network's prefix. RFC 4632, 3.1; RFC 4291, 2.3. */
export const isNetwork = (value: string): boolean => {
  const [address = "", length, ...rest] = value.split("/")
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (version === 4 ? 32 : 128))
}

export const isHost = (value: string): boolean =>
  isIP(value) !== 0 ||
  (value.length <= 253 && /^[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/i.test(value))

/** A pod's name, or any other short one: session ids begin with it. */
export const isNodeId = (value: string): boolean => /^[A-Za-z\d][\w.-]{0,62}$/.test(value)

/** `whsec_` and base64, as the Standard Webhooks libraries take it. How much of it there must be is production's. */
export const isWebhookSecret = (value: string): boolean => /^whsec_[A-Za-z\d+/]+={0,2}$/.test(value)

const isPublicJwk = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "kty" in value && value.kty !== "oct" && !("d" in value)

/** By its form; whether it is a key at all is found out when it is imported. */
export const isPublicKey = (value: string): boolean => {
  const text = value.trim()
  if (text.startsWith("-----BEGIN PUBLIC KEY-----")) return true
  try {
    return isPublicJwk(JSON.parse(text))
  } catch {
    return false
  }
}

/** `sha256:` and the digest in base64url, as `roomcast key` prints it. */
export const isKeyHash = (value: string): boolean => /^sha256:[\w-]{43}$/.test(value)

const withoutStars = (pattern: string): string => pattern.replaceAll("*", "x")

export const roomPatternFault = (pattern: string): string | undefined =>
  pattern.startsWith("$")
    ? "names that begin with $ are the gateway's: no rule reaches them"
    : nameFault(withoutStars(pattern), "room")

/** Patterns over the kinds of webhooks and over events. */
export const patternFault = (pattern: string): string | undefined => nameFault(withoutStars(pattern), "event")

export const eventPatternFault = (pattern: string): string | undefined =>
  /^(room|session):/.test(pattern)
    ? "events that begin with room: or session: are the gateway's: no rule reaches them"
    : patternFault(pattern)
