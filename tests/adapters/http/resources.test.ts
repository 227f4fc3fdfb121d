import { describe, expect, it } from "vitest"
import { jsonOf, problemOf } from "./http-fixture.ts"
import { HISTORY, KEYS, startApi } from "./resources-fixture.ts"

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

  it("are listed by the hundred where no limit is named", async () => {
    await using api = await startApi()
    for (let i = 0; i < 101; i++) await api.connect({ id: `c${i}` })
    const first = await api.get("/connections")
    expect((first["items"] as readonly unknown[]).length).toBe(100)
    expect(idsOf(await api.get(`/connections?cursor=${first["nextCursor"]}`))).toEqual(["c100"])
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
