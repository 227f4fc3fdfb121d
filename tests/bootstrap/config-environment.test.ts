import { expect, it } from "vitest"
import { KEYS, type Key } from "#bootstrap/config-keys.ts"
import { loaded, mistakesIn } from "./load-from.ts"

/** A value of each key that is not its default: as a variable has it, and as it comes out. */
const EXAMPLES: Readonly<Record<string, readonly [string, unknown]>> = {
  port: ["9000", 9000],
  host: ["10.1.2.3", "10.1.2.3"],
  engine: ["redis", "redis"],
  "redis.url": ["rediss://user:secret@redis.example:6380/1", "rediss://user:secret@redis.example:6380/1"],
  "redis.prefix": ["chat", "chat"],
  "redis.partitions": ["4", 4],
  nodeId: ["pod-1", "pod-1"],
  handlers: ["./handlers", "./handlers"],
  handlerTimeout: ["7s", 7_000],
  "jwt.secret": ["a secret", "a secret"],
  "jwt.publicKey": ["-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----"],
  "jwt.jwksUrl": ["https://issuer.example/keys", "https://issuer.example/keys"],
  "jwt.issuer": ["https://issuer.example", "https://issuer.example"],
  "jwt.audience": ["clients", "clients"],
  "jwt.apiAudience": ["api", "api"],
  "jwt.clockTolerance": ["5s", 5_000],
  "jwt.maxLifetime": ["7d", 604_800_000],
  "jwt.anonymous": ["true", true],
  "http.origins": ["https://a.example, http://b.example:8080", ["https://a.example", "http://b.example:8080"]],
  "http.trustedProxies": ['["10.0.0.0/8","::1"]', ["10.0.0.0/8", "::1"]],
  apiKey: ["a key", "a key"],
  keys: ['[{"id":"a","secret":"whsec_AAAA","scopes":["read"]}]', [{ id: "a", secret: "whsec_AAAA", scopes: ["read"] }]],
  rooms: ['[{"match":"a:*","join":"token"}]', [{ match: "a:*", join: "token", publish: "nobody", presence: false }]],
  "users.history.size": ["0", 0],
  "users.history.ttl": ["2h", 7_200_000],
  "everybody.history.size": ["5", 5],
  "everybody.history.ttl": ["2h", 7_200_000],
  "recovery.window": ["90000", 90_000],
  "recovery.maxMessages": ["50", 50],
  "presence.grace": ["500ms", 500],
  events: ['[{"match":"a.*","forward":"rpc"}]', [{ match: "a.*", forward: "rpc", timeout: 5_000 }]],
  "webhooks.endpoints": [
    '[{"url":"https://b.example","secret":"whsec_AAAA","timeout":"2s"}]',
    [{ url: "https://b.example", secret: "whsec_AAAA", events: ["*"], timeout: 2_000 }],
  ],
  "log.level": ["warn", "warning"],
  "log.format": ["json", "json"],
  "log.redact": ["off", false],
  "log.file.path": ["/var/log/roomcast.log", "/var/log/roomcast.log"],
  "log.file.maxSize": ["2048", 2_048],
  "log.file.maxFiles": ["9", 9],
  "log.file.maxAge": ["7d", 604_800_000],
  "metrics.token": ["a token", "a token"],
  "drain.time": ["1s", 1_000],
}

/** What else must be set where a key cannot stand alone. */
const BESIDE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  engine: { ROOMCAST_REDIS_URL: "redis://redis.example" },
  "everybody.history.size": { ROOMCAST_EVERYBODY_HISTORY_TTL: "1h" },
  "everybody.history.ttl": { ROOMCAST_EVERYBODY_HISTORY_SIZE: "1" },
  "log.file.maxSize": { ROOMCAST_LOG_FILE_PATH: "x" },
  "log.file.maxFiles": { ROOMCAST_LOG_FILE_PATH: "x" },
  "log.file.maxAge": { ROOMCAST_LOG_FILE_PATH: "x" },
}

const LEAVES = KEYS.filter((key) => key.facts !== undefined)
const exampleOf = ({ path }: Key): readonly [string, unknown] =>
  path.startsWith("limits.") ? ["77", 77] : (EXAMPLES[path] ?? ["", undefined])

const valueAt = (root: unknown, path: string): unknown =>
  path
    .split(".")
    .reduce<unknown>((at, step) => (typeof at === "object" && at !== null ? Reflect.get(at, step) : undefined), root)

it.each(LEAVES.map((key) => [key.env, key] as const))("%s sets its key, as does its file and --set", (env, key) => {
  const [text, value] = exampleOf(key)
  const beside = BESIDE[key.path] ?? {}
  expect(text, `tests/bootstrap has no example of ${key.path}`).not.toBe("")
  expect(valueAt(loaded({ env: { ...beside, [env]: text } }).config, key.path)).toEqual(value)
  const files = { "/mounted": `${text}\n` }
  expect(valueAt(loaded({ env: { ...beside, [`${env}_FILE`]: "/mounted" }, files }).config, key.path)).toEqual(value)
  expect(valueAt(loaded({ env: beside, flags: { [key.path]: text } }).config, key.path)).toEqual(value)
})

it.each(LEAVES.filter(({ facts }) => facts?.kind !== "text").map((key) => [key.env, key] as const))(
  "%s is refused by its key where it is something else",
  (env, key) => {
    const [mistake] = mistakesIn({ env: { ...BESIDE[key.path], [env]: "?" } })
    expect(mistake?.key.startsWith(key.path)).toBe(true)
    expect(mistake?.source).toBe(`environment ${env}`)
  },
)

it("gives no two keys the same variable, and none the one that another is read from a file with", () => {
  const names = KEYS.map(({ env }) => env)
  expect(new Set(names).size).toBe(names.length)
  const clashes = LEAVES.filter(({ env }) => names.includes(`${env}_FILE`))
  expect(clashes).toEqual([])
})

it("keeps the names that tools outside use", () => {
  const names = KEYS.map(({ env }) => env)
  for (const name of ["PORT", "HOST", "ENGINE", "JWT_SECRET", "API_KEY", "HANDLERS", "LOG_LEVEL", "NODE_ID"])
    expect(names).toContain(`ROOMCAST_${name}`)
})
