import { compilePattern } from "#domain/pattern.ts"
import type { ParsedConfig } from "./config-schema.ts"

/** Something that no key shows by itself. */
export interface CrossFault {
  readonly path: readonly (string | number)[]
  readonly found: string
  readonly allowed: string
  /** Keys that it rests on: where one of them is wrong itself, nothing is known of this. */
  readonly given?: readonly string[]
}

type Check = (config: ParsedConfig) => readonly CrossFault[]

const oneKeySource: Check = ({ jwt }) => {
  const given = (["secret", "publicKey", "jwksUrl"] as const).filter((name) => jwt[name] !== undefined)
  return given.length > 1
    ? [{ path: ["jwt"], found: given.join(" and "), allowed: "one of secret, publicKey and jwksUrl" }]
    : []
}

const audiencesDiffer: Check = ({ jwt }) => {
  const allowed = "another: no client's token opens the HTTP API"
  return jwt.apiAudience !== undefined && jwt.apiAudience === jwt.audience
    ? [{ path: ["jwt", "apiAudience"], found: "the same as jwt.audience", allowed }]
    : []
}

/** A pattern that matches another one's text, stars taken as they are, matches all that the other one matches. */
const neverReached = (list: string, rules: readonly { readonly match: string }[]): readonly CrossFault[] =>
  rules.flatMap(({ match }, i) => {
    const first = rules.slice(0, i).findIndex((rule) => compilePattern(rule.match)(match))
    if (first < 0) return []
    const allowed = `what ${list}[${first}] does not match already: the first match wins, so put this one before it`
    return [{ path: [list, i, "match"], found: JSON.stringify(match), allowed }]
  })

const rulesAreReached: Check = ({ rooms = [], events }) => [
  ...neverReached("rooms", rooms),
  ...neverReached("events", events),
]

/** The id of `apiKey`, among those of `keys`. */
const API_KEY_ID = "default"

const idsDiffer: Check = ({ apiKey, keys }) =>
  keys.flatMap(({ id }, i) => {
    if (keys.findIndex((key) => key.id === id) < i)
      return [{ path: ["keys", i, "id"], found: `${JSON.stringify(id)} again`, allowed: "an id that no other key has" }]
    return apiKey !== undefined && id === API_KEY_ID
      ? [{ path: ["keys", i, "id"], found: `"${id}"`, allowed: "another id: this is the one of apiKey" }]
      : []
  })

const secretsDiffer: Check = ({ apiKey, jwt }) =>
  apiKey !== undefined && apiKey === jwt.secret
    ? [{ path: ["apiKey"], found: "the same as jwt.secret", allowed: "another secret" }]
    : []

const redisIsNamed: Check = ({ engine, redis }) =>
  engine === "redis" && redis.url === undefined
    ? [
        {
          path: ["redis", "url"],
          found: "nothing",
          allowed: "the address of Redis: engine is redis",
          given: ["engine"],
        },
      ]
    : []

const CHECKS: readonly Check[] = [
  redisIsNamed,
  oneKeySource,
  audiencesDiffer,
  rulesAreReached,
  idsDiffer,
  secretsDiffer,
]

export const crossFaults: Check = (config) => CHECKS.flatMap((check) => check(config))
