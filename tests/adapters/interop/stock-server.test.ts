import { createServer } from "node:http"
import { createAdapter } from "@socket.io/redis-adapter"
import { Server } from "socket.io"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { MAX_LISTED } from "#adapters/interop/doorkeeper.ts"
import { rawUser } from "#tests/support/raw-client.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { settle, until } from "#tests/support/until.ts"
import { endAll, foreignRedis, listen, type Node, onEnd, startNode } from "./interop-fixture.ts"

const redis = await startRedis()
afterEach(endAll)
afterAll(() => redis.stop())

/** A stock server on the same Redis and key, with no client of its own. */
const startStock = async ({ key }: Node) => {
  const http = createServer()
  const io = new Server(http, { adapter: createAdapter(foreignRedis(redis), foreignRedis(redis), { key }) })
  onEnd(() => io.close())
  await until("both to be subscribed", async () => {
    const answer: unknown = await redis.client.call("PUBSUB", "NUMSUB", `${key}-request#/#`)
    return Array.isArray(answer) && Number(answer[1]) === 2
  })
  return io
}

/** Everything that goes over those channels. */
const overhear = async ({ key }: Node): Promise<() => string> => {
  const client = foreignRedis(redis)
  let heard = ""
  client.on(
    "pmessageBuffer",
    (_pattern: string, _channel: Buffer, bytes: Buffer) => (heard += bytes.toString("latin1")),
  )
  await client.psubscribe(`${key}*`)
  return () => heard
}

describe("a stock Socket.IO server beside the gateway", () => {
  it("emits to the gateway's clients as to its own, and moves and disconnects them", async () => {
    const node = await startNode(redis)
    const io = await startStock(node)
    const ann = await node.connect("ann", { rooms: ["logged:a"] })
    const events = listen(ann)
    io.to("logged:a").emit("hello", { from: "stock" }, "text")
    io.volatile.emit("volatile", 1)
    await until("both", () => events.length === 2)
    const meta = { id: expect.any(String), ts: expect.any(Number) }
    expect(events).toEqual([
      ["hello", { from: "stock" }, "text", meta],
      ["volatile", 1, meta],
    ])
    io.in("logged:a").socketsJoin("plain:b")
    await until("the join", async () => (await ann.ask("room:members", { room: "plain:b" })).ok === true)
    io.in("plain:b").disconnectSockets()
    await until("the end", () => ann.disconnects.length === 1)
  })

  it("is told who is here in time, with nothing of a handshake", async () => {
    const node = await startNode(redis)
    const io = await startStock(node)
    const heard = await overhear(node)
    const ann = await node.connect("ann", { rooms: ["logged:a"], auth: { password: "handshake-secret" } })
    const bob = await node.connect("bob")
    const all = await io.fetchSockets()
    expect(all.map(({ id }) => id).sort()).toEqual([ann.socket.id, bob.socket.id].sort())
    const [one, ...more] = await io.in("logged:a").fetchSockets()
    expect(more).toEqual([])
    expect({ id: one?.id, rooms: [...(one?.rooms ?? [])], data: one?.data, handshake: one?.handshake }).toEqual({
      id: ann.socket.id,
      rooms: [ann.socket.id, "logged:a"],
      data: {},
      handshake: { headers: {}, query: {}, auth: {} },
    })
    one?.join("plain:b")
    await until("the join", async () => (await ann.ask("room:members", { room: "plain:b" })).ok === true)
    expect(await io.in("plain:nobody").fetchSockets()).toEqual([])
    const token = String(Reflect.get(Object(ann.socket.auth), "token"))
    expect(token.length).toBeGreaterThan(50)
    expect(heard()).toContain(ann.socket.id)
    for (const secret of [token, "handshake-secret", "user-agent"]) expect(heard()).not.toContain(secret)
  })

  it("is answered with nobody where too many are here, or where it asks too often", async () => {
    const node = await startNode(redis)
    const io = await startStock(node)
    const raws = await Promise.all(Array.from({ length: MAX_LISTED + 1 }, (_, i) => rawUser(node, `u${i}`)))
    onEnd(() => {
      for (const { ws } of raws) ws.terminate()
    })
    await until("all of them", () => node.metrics.gauge("connections") === raws.length)
    expect(await io.fetchSockets()).toEqual([])
    expect(node.metrics.hits).toContain("peer_look_ups")
    const hits = node.metrics.hits.length
    await Promise.all(Array.from({ length: 300 }, () => io.in("plain:nobody").fetchSockets()))
    expect(node.metrics.hits.length).toBeGreaterThan(hits)
  })

  it("gets an answer to every kind of request: rooms, server-side events, acknowledged ones", async () => {
    const node = await startNode(redis)
    const io = await startStock(node)
    const ann = await node.connect("ann", { rooms: ["plain:a"] })
    await node.connect("bob")
    ann.socket.on("question", (...args: unknown[]) => {
      const answer = args.at(-1)
      if (typeof answer === "function") answer({ heard: args.slice(0, -1) })
    })
    const meta = { id: expect.any(String), ts: expect.any(Number) }
    expect(await io.to("plain:a").timeout(10_000).emitWithAck("question", 1, "two")).toEqual([
      { heard: [1, "two", meta] },
    ])
    expect(await io.to("plain:nobody").timeout(10_000).emitWithAck("question", 1)).toEqual([])
    expect(await io.of("/").adapter.sockets(new Set())).toEqual(new Set())
    expect(await io.of("/").adapter.serverCount()).toBe(2)
    const rooms: unknown = await Reflect.apply(Reflect.get(io.of("/").adapter, "allRooms"), io.of("/").adapter, [])
    expect(rooms).toEqual(new Set())
    expect(await io.serverSideEmitWithAck("anybody?")).toEqual([null])
    io.serverSideEmit("nobody hears")
    await settle()
    expect(ann.socket.connected).toBe(true)
  })

  it("hears nothing of what the gateway's clients do", async () => {
    const node = await startNode(redis)
    await startStock(node)
    const heard = await overhear(node)
    const ann = await node.connect("ann", { rooms: ["logged:a"] })
    const bob = await node.connect("bob", { rooms: ["logged:a"] })
    await ann.ask("room:publish", { room: "logged:a", event: "chat", data: 1 })
    await until("it", () => bob.received.length === 1)
    await ann.ask("room:leave", { room: "logged:a" })
    bob.socket.disconnect()
    await settle()
    expect(heard()).toBe("")
  })
})
