import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { NodeRegistry } from "#application/ports/node-registry.ts"
import { Refusal } from "#domain/errors.ts"
import { jsonOf, problemOf } from "./http-fixture.ts"
import { KEYS, startApi } from "./resources-fixture.ts"

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
    for (const body of [
      {},
      { userId: "ann" },
      { jti: "" },
      { jti: "t".repeat(513) },
      { jti: "t", userId: "ann", issuedBefore: BEFORE },
      [],
    ])
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
  })

  it("tells of the nodes that listen", async () => {
    await using api = await startApi()
    expect(await api.get("/nodes")).toEqual({ items: [] })
    const self = { node: "a", version: "1", address: "http://10.0.0.1:80", startedAt: 1, connections: 2, rooms: 3 }
    await api.run(NodeRegistry.use(({ announce }) => announce(() => self)))
    expect(await api.get("/nodes")).toEqual({ items: [self] })
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

  it("refuses a cursor and a prefix longer than any that there is", async () => {
    await using api = await startApi()
    for (const path of ["/connections", "/rooms", "/rooms/x/members", "/revocations"]) {
      const problem = await problemOf(await api.call("GET", `${path}?cursor=${"c".repeat(1_025)}`), "invalid_request")
      expect(problem["errors"]).toMatchObject([{ pointer: "/cursor" }])
    }
    const problem = await problemOf(await api.call("GET", `/rooms?prefix=${"p".repeat(201)}`), "invalid_request")
    expect(problem["errors"]).toMatchObject([{ pointer: "/prefix" }])
  })

  it("begins from the beginning with a cursor that it never gave", async () => {
    await using api = await startApi()
    await api.connect({ id: "a1", rooms: ["news:x"] })
    for (const path of ["/connections", "/rooms", "/rooms/news:x/members"])
      expect(await api.get(`${path}?cursor=nonsense`)).toEqual(await api.get(path))
  })
})
