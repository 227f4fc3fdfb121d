import * as Data from "effect/Data"
import { Webhook } from "standardwebhooks"
import type { NoticeKind, QuestionKind } from "#application/ports/backend.ts"
import type { Fault } from "#domain/errors.ts"
import { compilePattern, compilePatterns, type Matches } from "#domain/pattern.ts"

/** A server of the user's that is told and asked. */
export interface EndpointOptions {
  /** http: or https:, without user, password or fragment. */
  readonly url: string
  /** `whsec_` and base64, as Standard Webhooks has it. */
  readonly secret: string
  /** Patterns over kinds; for `message.received` over the event's name instead. */
  readonly events: readonly string[]
  /** The most that a question or one try of a notice may take, ms; a question may be given less. */
  readonly timeoutMs?: number | undefined
}

export interface Endpoint {
  /** For logs: where it stands in the configuration, and its origin; a path or query may hold a secret. */
  readonly name: string
  readonly origin: string
  /** Path and query. */
  readonly path: string
  readonly signer: Webhook
  readonly timeoutMs: number | undefined
  readonly hears: (kind: QuestionKind | NoticeKind, event: string | undefined) => boolean
}

/** The webhooks' configuration cannot work; `faults` point into it. */
export class EndpointsNotValid extends Data.TaggedError("EndpointsNotValid")<{ readonly faults: readonly Fault[] }> {
  override get message(): string {
    return this.faults.map(({ pointer, detail }) => `${pointer}: ${detail}`).join("\n")
  }
}

const urlFault = (text: string): string | undefined => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return "an http: or https: URL is needed"
  if (url.username !== "" || url.password !== "") return "a URL without user and password is needed"
  return undefined
}

/** Why a text is no secret of Standard Webhooks. `minBytes`: 24 where weak ones are refused. Never shows the text. */
export const secretFault = (secret: string, minBytes = 1): string | undefined => {
  try {
    new Webhook(secret)
  } catch {
    return "whsec_ followed by base64 is needed"
  }
  const bytes = Math.floor((secret.replace(/^whsec_/, "").replace(/=+$/, "").length * 3) / 4)
  return bytes < minBytes ? `a secret of at least ${minBytes} bytes is needed, found ${bytes}` : undefined
}

/** Everything that is wrong with an endpoint, under `pointer`. */
const endpointFaults = (endpoint: EndpointOptions, pointer: string): readonly Fault[] => {
  const faults: Fault[] = []
  const add = (member: string, detail: string | undefined): void => {
    if (detail !== undefined) faults.push({ pointer: `${pointer}/${member}`, detail })
  }
  add("url", urlFault(endpoint.url))
  add("secret", secretFault(endpoint.secret))
  add("events", endpoint.events.length === 0 ? "at least one pattern is needed, found none" : undefined)
  const { timeoutMs } = endpoint
  if (timeoutMs !== undefined && !(Number.isSafeInteger(timeoutMs) && timeoutMs > 0))
    add("timeoutMs", `a whole number of ms above 0 is needed, found ${timeoutMs}`)
  endpoint.events.forEach((pattern, i) => {
    add(`events/${i}`, pattern === "" ? "a pattern has at least one character, found none" : undefined)
  })
  return faults
}

const isStars = (pattern: string): boolean => /^\*+$/.test(pattern)

/**
 * Whom an endpoint hears. `connection.connect` stands in every connect's way and is asked only where a pattern names it:
 * where one matches that is not stars alone.
 */
const compileHears = (patterns: readonly string[]): Endpoint["hears"] => {
  const matches = compilePatterns(patterns)
  const namesConnect = patterns.some((pattern) => !isStars(pattern) && compilePattern(pattern)("connection.connect"))
  const byKind: Matches = (kind) => (kind === "connection.connect" ? namesConnect : matches(kind))
  return (kind, event) => (kind === "message.received" ? event !== undefined && matches(event) : byKind(kind))
}

/** The endpoints in the order given, or every fault of all of them. */
export const compileEndpoints = (endpoints: readonly EndpointOptions[]): readonly Endpoint[] | EndpointsNotValid => {
  const faults = endpoints.flatMap((endpoint, i) => endpointFaults(endpoint, `/webhooks/endpoints/${i}`))
  if (faults.length > 0) return new EndpointsNotValid({ faults })
  return endpoints.map((endpoint, i) => {
    const url = new URL(endpoint.url)
    return {
      name: `webhooks.endpoints[${i}] ${url.origin}`,
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      signer: new Webhook(endpoint.secret),
      timeoutMs: endpoint.timeoutMs,
      hears: compileHears(endpoint.events),
    }
  })
}
