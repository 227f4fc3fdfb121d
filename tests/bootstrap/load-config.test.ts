import { describe, expect, it } from "vitest"
import { loaded, mistakenKeys, mistakesIn, STRONG_KEY, STRONG_SECRET } from "./load-from.ts"

describe("where the configuration comes from", () => {
  it("is complete without anything given", () => {
    const { config } = loaded()
    expect(config).toMatchObject({
      production: false,
      port: 8137,
      host: "127.0.0.1",
      engine: "memory",
      users: { history: { size: 100, ttl: 3_600_000 } },
      everybody: {},
      recovery: { window: 120_000, maxMessages: 1_000 },
      presence: { grace: 5_000 },
      jwt: { clockTolerance: 30_000, maxLifetime: 86_400_000, anonymous: false },
      log: { level: "info", format: "pretty", redact: true },
      drain: { time: 15_000 },
    })
    expect(config.nodeId).not.toBe(loaded().config.nodeId)
  })

  it("lets the environment win over the file, and flags over both", () => {
    const file = "port: 1001\nhost: 10.0.0.1\nengine: memory\nlimits: { eventsPerSecond: 1, eventsInFlight: 2 }"
    const env = { ROOMCAST_PORT: "1002", ROOMCAST_LIMITS_EVENTS_PER_SECOND: "3" }
    expect(loaded({ file }).config).toMatchObject({ port: 1001, limits: { eventsPerSecond: 1 } })
    expect(loaded({ file, env }).config).toMatchObject({
      port: 1002,
      host: "10.0.0.1",
      limits: { eventsPerSecond: 3, eventsInFlight: 2 },
    })
    expect(loaded({ file, env, flags: { port: "1003", "limits.eventsPerSecond": "4" } }).config).toMatchObject({
      port: 1003,
      limits: { eventsPerSecond: 4, eventsInFlight: 2 },
    })
  })

  it("reads JSON as well as YAML", () => {
    expect(loaded({ file: '{"port": 1001, "http": {"origins": ["https://a.example"]}}' }).config).toMatchObject({
      port: 1001,
      http: { origins: ["https://a.example"] },
    })
  })

  it("takes the file's name from ROOMCAST_CONFIG", () => {
    const given = { env: { ROOMCAST_CONFIG: "/etc/rc.yaml" }, files: { "/etc/rc.yaml": "port: 1001" } }
    expect(loaded(given).config.port).toBe(1001)
  })

  it("takes an empty file for one that sets nothing", () => {
    expect(loaded({ file: "# nothing yet\n" }).config.port).toBe(8137)
  })

  it("changes one value of a group that the file's alias shares, and not the others", () => {
    const file = "rooms: [{ match: a, join: anyone, history: &h { size: 5, ttl: 1h } }]\nusers: { history: *h }"
    const { config } = loaded({ file, env: { ROOMCAST_USERS_HISTORY_SIZE: "7" } })
    expect(config.users.history.size).toBe(7)
    expect(config.rooms[0]?.history?.size).toBe(5)
  })

  it("reads a value from the file that a _FILE variable names, without its line end", () => {
    const given = {
      env: { ROOMCAST_JWT_SECRET_FILE: "/run/secrets/jwt" },
      files: { "/run/secrets/jwt": "of the file\n" },
    }
    expect(loaded(given).config.jwt.secret).toBe("of the file")
  })

  it("refuses a _FILE variable whose file is not there, and one beside the plain variable", () => {
    expect(mistakesIn({ env: { ROOMCAST_API_KEY_FILE: "/nowhere" } })).toMatchObject([
      { key: "apiKey", found: "no file that can be read (ENOENT)", source: "environment ROOMCAST_API_KEY_FILE" },
    ])
    const env = { ROOMCAST_API_KEY_FILE: "/key", ROOMCAST_API_KEY: "plain" }
    expect(mistakesIn({ env, files: { "/key": "other" } })).toMatchObject([
      { key: "apiKey", allowed: "one of ROOMCAST_API_KEY and ROOMCAST_API_KEY_FILE" },
    ])
  })

  it("counts an empty variable as not set", () => {
    const env = { ROOMCAST_PORT: "", ROOMCAST_JWT_SECRET: "", ROOMCAST_CONFIG: "" }
    const { config, generated } = loaded({ env })
    expect(config.port).toBe(8137)
    expect(generated).toContain("jwt.secret")
  })

  it("takes a whole group as JSON, and single values over it", () => {
    const env = { ROOMCAST_USERS_HISTORY: '{"size":5,"ttl":"2h"}', ROOMCAST_USERS_HISTORY_TTL: "3h" }
    expect(loaded({ env }).config.users.history).toEqual({ size: 5, ttl: 10_800_000 })
  })

  it("leaves variables of other programs alone", () => {
    expect(mistakesIn({ env: { PATH: "/bin", ROOMCASTER_X: "1", REDIS_URL: "redis://x" } })).toEqual([])
  })

  it("says what is allowed and yet hardly meant", () => {
    const file = `
rooms:
  - { match: "brief:*", join: anyone, history: { size: 5, ttl: 1s } }
  - { match: "asked:*", join: backend, publish: backend }
events: [{ match: "order.*", forward: rpc }]
presence: { grace: 10m }
limits: { bufferBytes: 1000 }`
    expect(loaded({ file }).warnings.map((warning) => warning.split(/[: ]/)[0])).toEqual([
      "rooms",
      "presence.grace",
      "limits.bufferBytes",
      "rooms",
      "rooms",
      "events",
    ])
    const endpoint = '{ url: "http://127.0.0.1:1", secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }'
    const asked = `webhooks: { endpoints: [${endpoint}] }\nrooms: [{ match: "a:*", join: backend }]`
    expect(loaded({ file: asked }).warnings).toEqual([])
  })
})

describe("what is not there yet", () => {
  it("refuses the redis engine without an address, and an address that is none, in the words of the key", () => {
    expect(mistakesIn({ env: { ROOMCAST_ENGINE: "redis" } })).toMatchObject([
      { key: "redis.url", found: "nothing", allowed: "the address of Redis: engine is redis" },
    ])
    const [mistake, ...others] = mistakesIn({
      env: { ROOMCAST_ENGINE: "redis", ROOMCAST_REDIS_URL: "http://:secret@r" },
    })
    expect(others).toEqual([])
    expect(mistake).toMatchObject({ key: "redis.url", source: "environment ROOMCAST_REDIS_URL" })
    expect(JSON.stringify(mistake)).not.toContain(":secret@")
  })

  it("does not use redis.url with the memory engine, and says so", () => {
    const { warnings } = loaded({ env: { ROOMCAST_REDIS_URL: "redis://:secret@redis:6379" } })
    expect(warnings).toEqual(["redis.url is not used: engine is memory; with engine: redis nodes share their state"])
  })

  it("warns of secrets that each node of a cluster would make up for itself", () => {
    const env = { ROOMCAST_ENGINE: "redis", ROOMCAST_REDIS_URL: "redis://redis:6379" }
    expect(loaded({ env }).warnings).toEqual([
      "jwt.secret and apiKey: made up by this node alone, so that others refuse it; all nodes need the same",
    ])
    expect(
      loaded({ env: { ...env, ROOMCAST_JWT_SECRET: STRONG_SECRET, ROOMCAST_API_KEY: STRONG_KEY } }).warnings,
    ).toEqual([])
  })

  it("refuses forward: queue", () => {
    const file = 'events: [{ match: "track.*", forward: queue }]'
    expect(mistakesIn({ file })).toMatchObject([{ key: "events[0].forward", allowed: "rpc (queue comes later)" }])
  })

  it("refuses keys of things that do not exist", () => {
    expect(mistakenKeys({ file: "sessions: { url: x }", env: { ROOMCAST_INTERNAL_PORT: "9000" } })).toEqual([
      "ROOMCAST_INTERNAL_PORT",
      "sessions",
    ])
  })
})

describe("in Kubernetes", () => {
  const env = {
    ROOMCAST_SERVICE_HOST: "10.0.0.1",
    ROOMCAST_SERVICE_PORT: "8137",
    ROOMCAST_SERVICE_PORT_HTTP: "8137",
    ROOMCAST_PORT: "tcp://10.0.0.1:8137",
    ROOMCAST_PORT_8137_TCP: "tcp://10.0.0.1:8137",
    ROOMCAST_PORT_8137_TCP_PROTO: "tcp",
    ROOMCAST_PORT_8137_TCP_PORT: "8137",
    ROOMCAST_PORT_8137_TCP_ADDR: "10.0.0.1",
    ROOMCAST_REDIS_SERVICE_HOST: "10.0.0.2",
    ROOMCAST_REDIS_PORT: "tcp://10.0.0.2:6379",
  }

  it("passes over what is set for a Service named roomcast, with a warning that names it", () => {
    const { config, warnings } = loaded({ env })
    expect(config.port).toBe(8137)
    expect(warnings).toHaveLength(1)
    for (const name of Object.keys(env)) expect(warnings[0]).toContain(name)
  })

  it("still takes a port that is a number", () => {
    expect(loaded({ env: { ...env, ROOMCAST_PORT: "9000" } }).config.port).toBe(9000)
  })
})
