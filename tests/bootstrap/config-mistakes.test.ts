import { describe, expect, it } from "vitest"
import { loaded, mistakenKeys, mistakesIn, STRONG_KEY, STRONG_SECRET } from "./load-from.ts"

const MISTAKEN = `
prot: 80
port: many
host: "not a host"
nodeId: "a b"
handlerTimeout: 1h
jwt: { secret: "", jwksUrl: "ftp://keys", clockTolerance: 1x, maxLifetime: 5y, anonymous: maybe, aud: x }
http: { origins: ["https://app.example/path"], trustedProxies: ["10.0.0.0/33"] }
keys:
  - { id: "a b", scopes: [] }
  - { id: b, hash: plain, scopes: [write] }
  - { id: c, hash: "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", secret: whsec_AAAA, scopes: [read] }
rooms:
  - { match: "a *", join: everybody }
  - { match: "$user:*", join: anyone, history: { size: 1.5 } }
users: { history: { ttl: 0s } }
everybody: { history: { size: 10 } }
recovery: { window: 25h, maxMessages: 0 }
presence: 5s
events: [{ match: "room:x", forward: queue, timeout: 1ms }]
limits: { connectionsPerUsr: 5, payloadBytes: -1 }
webhooks: { endpoints: [{ url: "https://user:pass@x", secret: abc, events: [] }] }
log: { level: loud, file: { maxSize: 1 } }
metrics: { token: 7 }
drain: { time: 11m }
`

describe("mistakes in the configuration", () => {
  it("are all reported in one run", () => {
    const env = { ROOMCAST_LOG_FORMAT: "xml", ROOMCAST_PROT: "1", ROOMCAST_KEYS_FILE: "/nowhere" }
    expect(
      mistakenKeys({ file: MISTAKEN, env, flags: { "limits.eventsPerSecond": "fast", "log.levle": "info" } }),
    ).toEqual([
      "ROOMCAST_PROT",
      "drain.time",
      "events[0].forward",
      "events[0].match",
      "events[0].timeout",
      "everybody.history.ttl",
      "handlerTimeout",
      "host",
      "http.origins[0]",
      "http.trustedProxies[0]",
      "jwt.anonymous",
      "jwt.aud",
      "jwt.clockTolerance",
      "jwt.jwksUrl",
      "jwt.maxLifetime",
      "jwt.secret",
      "keys",
      "keys[0]",
      "keys[0].id",
      "keys[0].scopes",
      "keys[1].hash",
      "keys[1].scopes[0]",
      "keys[2]",
      "limits.connectionsPerUsr",
      "limits.eventsPerSecond",
      "limits.payloadBytes",
      "log.file.maxSize",
      "log.file.path",
      "log.format",
      "log.level",
      "log.levle",
      "metrics.token",
      "nodeId",
      "port",
      "presence",
      "prot",
      "recovery.maxMessages",
      "recovery.window",
      "rooms[0].join",
      "rooms[0].match",
      "rooms[1].history.size",
      "rooms[1].history.ttl",
      "rooms[1].match",
      "users.history.ttl",
      "webhooks.endpoints[0].events",
      "webhooks.endpoints[0].secret",
      "webhooks.endpoints[0].url",
    ])
  })

  it("are origins with a path, in another form than browsers send, or with a star, which would match no page", () => {
    const origins = ["https://a.example/", "HTTPS://a.example", "https://a.example:443", "null", "https://*.a.example"]
    for (const origin of origins)
      expect(mistakenKeys({ env: { ROOMCAST_HTTP_ORIGINS: origin } }), origin).toEqual(["http.origins[0]"])
  })

  it("tell the key, what was found, what is allowed, and where it stands", () => {
    const mistakes = mistakesIn({
      file: "limits: { payloadBytes: -1 }",
      env: { ROOMCAST_RECOVERY_WINDOW: "soon" },
      flags: { port: "99999" },
    })
    expect(mistakes).toEqual([
      { key: "port", found: "99999", allowed: "a whole number, 0-65,535", source: "flag --port" },
      {
        key: "recovery.window",
        found: '"soon"',
        allowed: 'a duration, 0s-24h, written "500ms", "3s", "2m", "24h", "7d" or a whole number of ms',
        source: "environment ROOMCAST_RECOVERY_WINDOW",
      },
      {
        key: "limits.payloadBytes",
        found: "-1",
        allowed: "a whole number, 0-104,857,600; 0 = no limit",
        source: "file roomcast.yaml",
      },
    ])
  })

  it("suggest the nearest key, in a file, in the environment and in flags", () => {
    const mistakes = mistakesIn({
      file: "jwt: { publickey: x }\nroom: []",
      env: { ROOMCAST_LIMIT_EVENTS_PER_SECOND: "1" },
      flags: { "limits.eventsPerSeconds": "1" },
    })
    expect(mistakes.map(({ allowed }) => allowed).sort()).toEqual([
      "did you mean ROOMCAST_LIMITS_EVENTS_PER_SECOND?",
      "did you mean jwt.publicKey?",
      "did you mean limits.eventsPerSecond?",
      "did you mean rooms?",
    ])
  })

  it("are found across keys too", () => {
    const file = `
jwt: { secret: one-secret, publicKey: "-----BEGIN PUBLIC KEY-----", audience: a, apiAudience: a }
apiKey: one-secret
keys:
  - { id: x, secret: whsec_AAAA, scopes: [read] }
  - { id: x, secret: whsec_BBBB, scopes: [read] }
  - { id: default, secret: whsec_CCCC, scopes: [read] }
rooms:
  - { match: "chat:*", join: anyone }
  - { match: "chat:secret:*", join: nobody }
events:
  - { match: "*", forward: rpc }
  - { match: "order.*", forward: rpc }`
    expect(mistakenKeys({ file })).toEqual([
      "apiKey",
      "events[1].match",
      "jwt",
      "jwt.apiAudience",
      "keys[1].id",
      "keys[2].id",
      "rooms[1].match",
    ])
  })

  it("does not blame a key for what is wrong with another", () => {
    const keys = mistakenKeys({ file: "jwt: { secret: 5 }\nkeys: [{ id: a, scopes: [read] }]", production: true })
    expect(keys).toEqual(["jwt.secret", "keys[0]"])
  })

  it("of a file's form tell the place and not the text", () => {
    const mistakes = mistakesIn({ file: "jwt:\n  secret: topsecret\n secret2: [topsecret" })
    expect(mistakes.length).toBeGreaterThan(0)
    expect(mistakes[0]?.found).toMatch(/^line 3, column \d+: /)
    expect(JSON.stringify(mistakes)).not.toContain("topsecret")
    expect(mistakesIn({ file: "- 1\n- 2" })).toMatchObject([{ key: "roomcast.yaml", found: "a list" }])
    expect(mistakesIn({ file: "port: 1\nport: 2" })).toMatchObject([{ found: "line 2, column 1: duplicate key" }])
    expect(mistakesIn({ env: { ROOMCAST_CONFIG: "/nowhere" } })).toMatchObject([
      { key: "/nowhere", found: "no file that can be read (ENOENT)" },
    ])
  })

  it("never show a secret, however it was written", () => {
    const SECRET = "hunter2hunter2"
    const file = `
jwt: { secret: " ${SECRET}", secrt: ${SECRET} }
apiKey: [${SECRET}]
keys:
  - { id: a, hash: ${SECRET}, scopes: [read] }
  - { id: b, secret: ${SECRET}, scopes: [read] }
  - ${SECRET}
webhooks: { endpoints: [{ url: "ftp://user:${SECRET}@x", secret: ${SECRET} }] }
metrics: ${SECRET}`
    const env = { ROOMCAST_METRICS: SECRET, ROOMCAST_WEBHOOKS: `{"${SECRET}"`, ROOMCAST_JWT: `"${SECRET}"` }
    const fromFile = mistakesIn({ file })
    const fromVariables = mistakesIn({ env: { ...env, ROOMCAST_API_KEY: ` ${SECRET}`, ROOMCAST_APIKEY: SECRET } })
    expect(fromFile).toHaveLength(9)
    expect(fromVariables).toHaveLength(5)
    expect(JSON.stringify([fromFile, fromVariables])).not.toContain(SECRET)
  })

  it("are a private or symmetric key where the public one goes, which `config print` would show", () => {
    const keys = [
      "-----BEGIN PRIVATE KEY-----\nhunter2",
      '{"kty":"EC","d":"hunter2"}',
      '{"kty":"oct","k":"hunter2"}',
      "x",
    ]
    for (const key of keys) {
      const mistakes = mistakesIn({ env: { ROOMCAST_JWT_PUBLIC_KEY: key } })
      expect(mistakes.map((mistake) => mistake.key)).toEqual(["jwt.publicKey"])
      expect(JSON.stringify(mistakes)).not.toContain("hunter2")
    }
    const ours = ["-----BEGIN PUBLIC KEY-----\nMCow", '{"kty":"OKP","crv":"Ed25519","x":"a"}']
    for (const key of ours) expect(mistakesIn({ env: { ROOMCAST_JWT_PUBLIC_KEY: key } })).toEqual([])
  })

  it("show no query of a URL, for it may hold a token", () => {
    const file = 'webhooks: { endpoints: [{ url: "htp://backend/hooks?token=hunter2", secret: "whsec_AAAA" }] }'
    expect(mistakesIn({ file })).toMatchObject([{ found: '"htp://backend/hooks?…"' }])
  })

  it("keep a prototype out", () => {
    const file = '{"__proto__": {"port": 1}, "limits": {"__proto__": {"eventsPerSecond": 1}}, "constructor": 1}'
    const keys = mistakenKeys({ file })
    expect(keys).toContain("constructor")
    expect(Object.hasOwn({}, "port")).toBe(false)
    expect(loaded().config.port).toBe(8137)
  })
})

describe("in production", () => {
  const good = { ROOMCAST_JWT_SECRET: STRONG_SECRET, ROOMCAST_API_KEY: STRONG_KEY }

  it("starts with secrets that are given and strong, for everybody to reach", () => {
    const { config, generated } = loaded({ env: { ...good, NODE_ENV: "production" } })
    expect(generated).toEqual([])
    expect(config).toMatchObject({ production: true, host: "0.0.0.0", rooms: [], log: { format: "json" } })
  })

  it("is asked for by a flag as well", () => {
    expect(loaded({ env: good, production: true }).config.production).toBe(true)
    expect(loaded({ env: { NODE_ENV: "staging" } }).config.production).toBe(false)
  })

  it("makes nothing up", () => {
    expect(mistakesIn({ production: true })).toMatchObject([
      { key: "jwt", found: "nothing that checks tokens" },
      { key: "apiKey", found: "nothing that opens the HTTP API" },
    ])
  })

  it("refuses weak secrets, all at once, and shows none of them", () => {
    const file = `
keys: [{ id: a, secret: whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, scopes: [read] }]
webhooks: { endpoints: [{ url: "https://b.example", secret: whsec_c2VjcmV0 }] }
metrics: { token: changeme-changeme }`
    const env = { ROOMCAST_JWT_SECRET: "secret", ROOMCAST_API_KEY: "test-api-key-test-api-key" }
    const mistakes = mistakesIn({ file, env, production: true })
    expect(mistakes.map(({ key }) => key)).toEqual([
      "jwt.secret",
      "apiKey",
      "metrics.token",
      "keys[0].secret",
      "webhooks.endpoints[0].secret",
    ])
    expect(JSON.stringify(mistakes)).not.toMatch(/"secret"|test-api-key|changeme|AAAA|c2Vj/)
    const allowed = mistakes.map((mistake) => mistake.allowed)
    expect(allowed[0]).toBe("32 bytes or more of random text (`openssl rand -base64 32`)")
    const signing = "whsec_ and 32 characters or more of base64 (`roomcast key --signing` makes one)"
    expect(allowed.slice(3)).toEqual([signing, signing])
  })

  it("takes keys instead of an API key, a public key or key set instead of a secret, and anonymous clients", () => {
    const file = `
jwt: { jwksUrl: "https://issuer.example/keys", anonymous: true }
keys: [{ id: a, hash: "sha256:${"A".repeat(43)}", scopes: [publish] }]`
    expect(loaded({ file, production: true }).config.jwt).toMatchObject({ anonymous: true, secret: undefined })
  })

  it("says where it is open", () => {
    const file = `
http: { origins: ["*"] }
log: { redact: false }
webhooks: { endpoints: [
  { url: "http://backend.internal/hooks?token=x", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw },
  { url: "http://127.0.0.1:3000/hooks", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw } ] }`
    expect(loaded({ file, env: good, production: true }).warnings).toEqual([
      "http://backend.internal is reached without TLS",
      "http.origins lets pages of every origin connect",
      "log.redact is false: logs may hold tokens, message data and addresses",
      "no rooms are configured: every room is refused",
    ])
  })

  it("says that no page may connect where no origin is named", () => {
    const file = "rooms: [{ match: a, join: anyone }]"
    expect(loaded({ file, env: good, production: true }).warnings).toEqual([
      "http.origins is empty: no browser's page may connect, your own included",
    ])
    expect(loaded({ file, env: good }).warnings).toEqual([])
  })
})

describe("in development", () => {
  it("makes up what is left out, anew at each start", () => {
    const first = loaded()
    expect(first.generated).toEqual(["jwt.secret", "apiKey", "rooms"])
    expect(first.config.apiKey).toMatch(/^rc_[\w-]{43}$/)
    expect(first.config.rooms).toEqual([
      { match: "*", join: "anyone", publish: "members", presence: true, history: { size: 100, ttl: 3_600_000 } },
    ])
    expect(loaded().config.apiKey).not.toBe(first.config.apiKey)
    expect(loaded().config.jwt.secret).not.toBe(first.config.jwt.secret)
  })

  it("makes nothing up beside what is given", () => {
    const file = `
jwt: { jwksUrl: "https://issuer.example/keys" }
keys: [{ id: a, hash: "sha256:${"A".repeat(43)}", scopes: [publish] }]
rooms: []`
    const { config, generated } = loaded({ file })
    expect(generated).toEqual([])
    expect(config).toMatchObject({ apiKey: undefined, rooms: [], jwt: { secret: undefined } })
  })

  it("takes a weak secret, and says that production would not", () => {
    expect(loaded({ env: { ROOMCAST_JWT_SECRET: "secret" } }).warnings).toEqual([
      "jwt.secret is a weak secret: it has 6 bytes; production refuses it",
    ])
  })
})
