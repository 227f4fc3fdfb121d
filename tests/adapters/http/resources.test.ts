import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { describe, expect, it } from "vitest"
import { hashApiKey } from "#adapters/http/api-key.ts"
import { httpApp } from "#adapters/http/http-app.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Refusal } from "#domain/errors.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { type ConnectOptions, connect, memoryNode, type OtherNode } from "#tests/application/node-fixture.ts"
import { jsonOf, problemOf } from "./http-fixture.ts"

const KEYS = { publish: "rc_publish", read: "rc_read", manage: "rc_manage", all: "rc_all" }
const HISTORY = { size: 100, ttlMs: 60_000 }

/** Rooms that begin with `news:` keep history, `plain:` do not; nothing else has a rule. */
const rules = compileRoomRules({
  rooms: [
    { match: "news:*", join: "nobody", publish: "nobody", presence: true, history: HISTORY },
    { match: "plain:*", join: "anyone", publish: "nobody", presence: false, history: undefined },
  ],
  users: { history: HISTORY },
  everybody: { history: undefined },
})

/** The HTTP API over a node that has real connections with made-up clients. */
const startApi = async (others: Readonly<Record<string, OtherNode>> = {}) => {
  const limits = { ...DEFAULT_LIMITS, roomsPerConnection: 2 }
  const runtime = ManagedRuntime.make(memoryNode({ settings: { rules, limits }, others }))
  const app = httpApp({
    runtime,
    metrics: await runtime.runPromise(Metrics),
    limits,
    keys: [
      { id: "publish", scopes: ["publish"], hash: hashApiKey(KEYS.publish) },
      { id: "read", scopes: ["read"], hash: hashApiKey(KEYS.read) },
      { id: "manage", scopes: ["manage"], hash: hashApiKey(KEYS.manage) },
      { id: "all", scopes: ["publish", "read", "manage"], hash: hashApiKey(KEYS.all) },
    ],
    origins: () => false,
    accessLog: false,
    bodyLimits: undefined,
    readiness: () => undefined,
    metricsText: () => Promise.resolve({ contentType: "text/plain", body: "" }),
    metricsToken: undefined,
  })
  const call = async (method: string, path: string, body?: unknown, key = KEYS.all): Promise<Response> =>
    app.request(`/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  return {
    call,
    connect: (options: ConnectOptions) => runtime.runPromise(connect(options)),
    /** The JSON of a 200. */
    get: async (path: string) => {
      const response = await call("GET", path)
      expect(response.status).toBe(200)
      return jsonOf(response)
    },
    [Symbol.asyncDispose]: () => runtime.dispose(),
  }
}

const idsOf = (list: Record<string, unknown>): unknown =>
  (list["items"] as readonly { connectionId: string }[]).map(({ connectionId }) => connectionId)

describe("connections over HTTP", () => {
  it("are listed page by page, by user and by room", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1", rooms: ["plain:x"] })
    await api.connect({ id: "a2" })
    await api.connect({ id: "b1", userId: "bob", rooms: ["plain:x"] })
    const first = await api.get("/connections?limit=2")
    expect(idsOf(first)).toEqual(["a1", "a2"])
    const second = await api.get(`/connections?limit=2&cursor=${first["nextCursor"]}`)
    expect(idsOf(second)).toEqual(["b1"])
    expect(second).not.toHaveProperty("nextCursor")
    expect(idsOf(await api.get("/connections?userId=ann"))).toEqual(["a1", "a2"])
    expect(idsOf(await api.get("/connections?room=plain:x"))).toEqual(["a1", "b1"])
    expect(idsOf(await api.get("/connections?room=plain:x&userId=bob"))).toEqual(["b1"])
  })

  it("are looked at one by one; an unknown one is 404", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1", rooms: ["plain:x"] })
    expect(await api.get("/connections/a1")).toEqual({
      connectionId: "a1",
      userId: "ann",
      node: "test-node",
      transport: "websocket",
      address: "192.0.2.1",
      rooms: ["plain:x"],
      connectedAt: 0,
    })
    await problemOf(await api.call("GET", "/connections/nobody"), "not_found")
  })

  it("are gone when their disconnect is answered, and their clients were told to stay away", async () => {
    await using api = await startApi()
    const { closings } = await api.connect({ id: "a1" })
    expect((await api.call("DELETE", "/connections/a1")).status).toBe(204)
    expect(closings.map(({ code, reconnect }) => ({ code, reconnect }))).toEqual([
      { code: "disconnected", reconnect: false },
    ])
    await problemOf(await api.call("GET", "/connections/a1"), "not_found")
    await problemOf(await api.call("DELETE", "/connections/a1"), "not_found")
  })

  it("are put into rooms that no client may join, and taken out of them", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1" })
    for (let again = 0; again < 2; again++) {
      const joined = await api.call("PUT", "/connections/a1/rooms/news:x")
      expect([joined.status, await jsonOf(joined)]).toEqual([200, { room: "news:x", connections: 1 }])
    }
    expect(await api.get("/connections/a1")).toMatchObject({ rooms: ["news:x"] })
    const left = await api.call("DELETE", "/connections/a1/rooms/news:x")
    expect([left.status, await jsonOf(left)]).toEqual([200, { room: "news:x", connections: 1 }])
    expect(await api.get("/connections/a1")).toMatchObject({ rooms: [] })
  })

  it("are not put into more rooms than they may have, nor into rooms without a rule, nor where they are not", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1", rooms: ["plain:1", "plain:2"] })
    await problemOf(await api.call("PUT", "/connections/a1/rooms/plain:3"), "too_many_rooms")
    await problemOf(await api.call("PUT", "/connections/a1/rooms/other"), "unknown_room")
    await problemOf(await api.call("PUT", "/connections/nobody/rooms/plain:1"), "not_found")
    await problemOf(await api.call("PUT", "/connections/a1/rooms/$all"), "invalid_request")
  })
})

describe("rooms over HTTP", () => {
  it("are listed with their members counted, those that begin so where asked", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1", rooms: ["news:x", "plain:x"] })
    await api.connect({ id: "b1", userId: "bob", rooms: ["plain:x"] })
    expect(await api.get("/rooms")).toEqual({
      items: [
        { room: "news:x", memberCount: 1 },
        { room: "plain:x", memberCount: 2 },
      ],
    })
    expect(await api.get("/rooms?prefix=news:")).toEqual({ items: [{ room: "news:x", memberCount: 1 }] })
  })

  it("show their newest offset and their history, and are empty where nobody ever was", async () => {
    await using api = await startApi()
    expect(await api.get("/rooms/news:x")).toEqual({
      room: "news:x",
      memberCount: 0,
      history: { ...HISTORY, messages: 0 },
    })
    const push = { to: { rooms: ["news:x"] }, event: "greet", data: 1 }
    const { offset } = await jsonOf(await api.call("POST", "/messages", push))
    expect(await api.get("/rooms/news:x")).toMatchObject({ offset, history: { messages: 1 } })
    expect(await api.get("/rooms/plain:x")).toEqual({ room: "plain:x", memberCount: 0 })
    expect(await api.get("/rooms/without-a-rule")).toEqual({ room: "without-a-rule", memberCount: 0 })
  })

  it("list their members, with the number of all of them", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1", rooms: ["news:x"] })
    await api.connect({ id: "b1", userId: "bob", rooms: ["news:x"] })
    const first = await api.get("/rooms/news:x/members?limit=1")
    expect(first).toMatchObject({ items: [{ userId: "ann", connectionId: "a1" }], count: 2 })
    const second = await api.get(`/rooms/news:x/members?limit=1&cursor=${first["nextCursor"]}`)
    expect(second).toEqual({ items: [{ userId: "bob", connectionId: "b1" }], count: 2 })
  })

  it("give their messages after an offset, and forget them when told to", async () => {
    await using api = await startApi()
    const push = (data: number) => api.call("POST", "/messages", { to: { rooms: ["news:x"] }, event: "greet", data })
    const first = await jsonOf(await push(1))
    const second = await jsonOf(await push(2))
    const { complete, items } = await api.get(`/rooms/news:x/messages?since=${first["offset"]}`)
    expect(complete).toBe(true)
    expect(items).toEqual([
      { id: second["id"], event: "greet", data: 2, room: "news:x", ts: expect.any(Number), offset: second["offset"] },
    ])
    expect((await api.call("DELETE", "/rooms/news:x/messages")).status).toBe(204)
    expect(await api.get("/rooms/news:x/messages")).toEqual({ items: [], complete: true })
    expect(await api.get(`/rooms/news:x/messages?since=${first["offset"]}`)).toEqual({ items: [], complete: false })
    const problem = await problemOf(await api.call("GET", "/rooms/news:x/messages?since=yesterday"), "invalid_request")
    expect(problem["errors"]).toEqual([{ pointer: "/since", detail: expect.any(String) }])
  })

  it("are named with slashes, percent signs and letters of every kind, percent-encoded", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1" })
    for (const room of ["plain:a/b", "plain:100%", "plain:%2F", "plain:ü?#&=+"]) {
      const path = encodeURIComponent(room)
      expect((await api.call("PUT", `/connections/a1/rooms/${path}`)).status).toBe(200)
      expect(await api.get(`/rooms/${path}`)).toMatchObject({ room, memberCount: 1 })
      await api.call("DELETE", `/connections/a1/rooms/${path}`)
    }
  })

  it("refuse a name that is none, and one that is encoded wrongly", async () => {
    await using api = await startApi()
    const long = "x".repeat(201)
    for (const name of ["a%20b", "a%00", "*", long, "$user:ann", "%ff", "%e0%a4", "50%"])
      await problemOf(await api.call("GET", `/rooms/${name}`), "invalid_request")
  })
})

describe("users over HTTP", () => {
  it("are online with their connections, or offline, whoever they are", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1" })
    await api.connect({ id: "a2" })
    const connection = (connectionId: string) => ({
      connectionId,
      node: "test-node",
      transport: "websocket",
      connectedAt: 0,
    })
    const ann = { userId: "ann", online: true, connections: [connection("a1"), connection("a2")] }
    const bob = { userId: "bob", online: false, connections: [] }
    expect(await api.get("/users/ann")).toEqual(ann)
    expect(await api.get("/users/bob")).toEqual(bob)
    const asked = await api.call("POST", "/users/query", { userIds: ["bob", "ann"] }, KEYS.read)
    expect([asked.status, await jsonOf(asked)]).toEqual([200, { items: [bob, ann] }])
  })

  it("are asked for in bulk 1,000 at most, each by a possible name", async () => {
    await using api = await startApi()
    const ids = (n: number) => Array.from({ length: n }, (_, i) => `u${i}`)
    expect((await api.call("POST", "/users/query", { userIds: ids(1_000) })).status).toBe(200)
    await problemOf(await api.call("POST", "/users/query", { userIds: ids(1_001) }), "invalid_request")
    const problem = await problemOf(await api.call("POST", "/users/query", { userIds: ["a", ""] }), "invalid_request")
    expect(problem["errors"]).toEqual([{ pointer: "/userIds/1", detail: expect.any(String) }])
  })

  it("are disconnected everywhere at once; of an offline one there is nothing to disconnect", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1" })
    await api.connect({ id: "a2" })
    const bob = await api.connect({ id: "b1", userId: "bob" })
    const closed = await api.call("DELETE", "/users/ann/connections")
    expect([closed.status, await jsonOf(closed)]).toEqual([200, { disconnected: 2 }])
    expect(await api.get("/users/ann")).toMatchObject({ online: false })
    expect(bob.closings).toEqual([])
    expect(await jsonOf(await api.call("DELETE", "/users/ann/connections"))).toEqual({ disconnected: 0 })
  })

  it("join and leave rooms with every connection that they have", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1" })
    await api.connect({ id: "a2" })
    const joined = await api.call("PUT", "/users/ann/rooms/news:x")
    expect([joined.status, await jsonOf(joined)]).toEqual([200, { room: "news:x", connections: 2 }])
    expect(await api.get("/rooms/news:x/members")).toMatchObject({ count: 2 })
    expect(await jsonOf(await api.call("DELETE", "/users/ann/rooms/news:x"))).toEqual({
      room: "news:x",
      connections: 2,
    })
    expect(await jsonOf(await api.call("PUT", "/users/bob/rooms/news:x"))).toEqual({ room: "news:x", connections: 0 })
    await problemOf(await api.call("PUT", "/users/bob/rooms/other"), "unknown_room")
  })
})

describe("revocations over HTTP", () => {
  const BEFORE = 1_700_000_000_500

  it("are made, close what they are about, are listed and lifted", async () => {
    await using api = await startApi()
    const { closings } = await api.connect({ id: "a1", claims: { issuedAt: 1_700_000_000 } })
    const made = await api.call("POST", "/revocations", { userId: "ann", issuedBefore: BEFORE })
    const { id, ...rest } = await jsonOf(made)
    expect([made.status, rest]).toEqual([201, { disconnected: 1 }])
    expect(closings.map(({ code }) => code)).toEqual(["revoked"])
    const expiresAt = Date.now() + 60_000
    const second = await jsonOf(await api.call("POST", "/revocations", { jti: "t1", expiresAt }))
    const createdAt = expect.any(Number)
    expect(await api.get("/revocations")).toEqual({
      items: [
        { id, userId: "ann", issuedBefore: BEFORE, createdAt },
        { id: second["id"], jti: "t1", expiresAt, createdAt },
      ],
    })
    expect((await api.call("DELETE", `/revocations/${id}`)).status).toBe(204)
    await problemOf(await api.call("DELETE", `/revocations/${id}`), "not_found")
    expect(await api.get("/revocations")).toMatchObject({ items: [{ jti: "t1" }] })
  })

  it("refuse a time in seconds, which would revoke nothing, and bodies that are neither kind", async () => {
    await using api = await startApi()
    const seconds = await problemOf(
      await api.call("POST", "/revocations", { userId: "ann", issuedBefore: 1_700_000_000 }),
      "invalid_request",
    )
    expect(JSON.stringify(seconds["errors"])).toContain("looks like seconds")
    for (const body of [{}, { userId: "ann" }, { jti: "" }, { jti: "t", userId: "ann", issuedBefore: BEFORE }, []])
      await problemOf(await api.call("POST", "/revocations", body), "invalid_request")
    expect(await api.get("/revocations")).toEqual({ items: [] })
  })

  it("stand where a node could not be told, and say that the outcome is not known", async () => {
    await using api = await startApi({ dead: () => Effect.fail(new Refusal("engine_unavailable", "gone")) })
    const response = await api.call("POST", "/revocations", { jti: "t1" })
    expect(await problemOf(response, "engine_unavailable")).toMatchObject({ outcome: "unknown" })
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0)
    expect(await api.get("/revocations")).toMatchObject({ items: [{ jti: "t1" }] })
  })
})

describe("the status over HTTP", () => {
  it("tells of this node, in a list of nodes too", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1" })
    await api.call("PUT", "/connections/a1/rooms/plain:x")
    const status = await api.get("/status")
    expect(status).toEqual({
      node: "test-node",
      version: "0.0.0-test",
      connections: 1,
      rooms: 1,
      epoch: expect.any(String),
      ready: true,
    })
    expect(await api.get("/nodes")).toEqual({ items: [status] })
  })
})

describe("every resource", () => {
  const READS = [
    ["GET", "/connections"],
    ["GET", "/connections/a1"],
    ["GET", "/rooms"],
    ["GET", "/rooms/news:x"],
    ["GET", "/rooms/news:x/members"],
    ["GET", "/rooms/news:x/messages"],
    ["GET", "/users/ann"],
    ["POST", "/users/query"],
    ["GET", "/revocations"],
    ["GET", "/status"],
    ["GET", "/nodes"],
  ] as const
  const CHANGES = [
    ["DELETE", "/connections/a1"],
    ["PUT", "/connections/a1/rooms/news:x"],
    ["DELETE", "/connections/a1/rooms/news:x"],
    ["DELETE", "/rooms/news:x/messages"],
    ["DELETE", "/users/ann/connections"],
    ["PUT", "/users/ann/rooms/news:x"],
    ["DELETE", "/users/ann/rooms/news:x"],
    ["POST", "/revocations"],
    ["DELETE", "/revocations/x"],
  ] as const

  it("is read with the scope read and changed with the scope manage, and with no other", async () => {
    await using api = await startApi()
    const { closings } = await api.connect({ id: "a1", rooms: ["plain:x"] })
    const wanted = [
      ["read", READS],
      ["manage", CHANGES],
    ] as const
    const body = (method: string) => (method === "POST" ? { userIds: [] } : undefined)
    for (const [scope, calls] of wanted)
      for (const [method, path] of calls)
        for (const key of ["publish", "read", "manage"] as const)
          if (key !== scope)
            await problemOf(await api.call(method, path, body(method), KEYS[key]), "insufficient_scope")
    expect(closings).toEqual([])
    expect(await api.get("/connections/a1")).toMatchObject({ rooms: ["plain:x"] })
    for (const [scope, calls] of wanted)
      for (const [method, path] of calls) {
        const { status } = await api.call(method, path, body(method), KEYS[scope])
        expect([method, path, [200, 204, 404, 422].includes(status) ? "let in" : status]).toEqual([
          method,
          path,
          "let in",
        ])
      }
    expect(closings).toHaveLength(1)
  })

  it("refuses a limit out of bounds and parameters that it does not know, by name", async () => {
    await using api = await startApi()
    for (const path of ["/connections", "/rooms", "/rooms/x/members", "/rooms/x/messages", "/revocations"]) {
      for (const limit of ["0", "1001", "-1", "1e2", "ten", ""]) {
        const problem = await problemOf(await api.call("GET", `${path}?limit=${limit}`), "invalid_request")
        expect(problem["errors"]).toMatchObject([{ pointer: "/limit" }])
      }
      const problem = await problemOf(await api.call("GET", `${path}?limt=5`), "invalid_request")
      expect(problem["errors"]).toMatchObject([{ pointer: "/limt" }])
      expect((await api.call("GET", `${path}?limit=1000`)).status).toBe(200)
    }
  })

  it("begins from the beginning with a cursor that it never gave", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1", rooms: ["news:x"] })
    for (const path of ["/connections", "/rooms", "/rooms/news:x/members"])
      expect(await api.get(`${path}?cursor=nonsense`)).toEqual(await api.get(path))
  })
})
