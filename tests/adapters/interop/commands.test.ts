import { afterAll, afterEach, describe, expect, it } from "vitest"
import { startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"
import { endAll, startNode } from "./interop-fixture.ts"

const redis = await startRedis()
afterEach(endAll)
afterAll(() => redis.stop())

type Client = Awaited<ReturnType<Awaited<ReturnType<typeof startNode>>["connect"]>>

const isIn = async (client: Client, room: string): Promise<boolean> =>
  (await client.ask("room:members", { room })).ok === true

describe("what a Socket.IO program asks over Redis", () => {
  it("joins and leaves are the gateway's own, and the session keeps them", async () => {
    const { connect, emitter, metrics } = await startNode(redis)
    const ann = await connect("ann", { rooms: ["plain:a"] })
    const bob = await connect("bob")
    emitter.in("plain:a").socketsJoin(["logged:b", "plain:c"])
    await until("ann to be in both", async () => (await isIn(ann, "logged:b")) && (await isIn(ann, "plain:c")))
    expect(await isIn(bob, "logged:b")).toBe(false)
    ann.drop()
    await until("ann to be back", () => ann.ready.length === 2)
    expect(ann.ready[1]?.rooms).toEqual(["plain:a", "logged:b", "plain:c"])
    emitter.in(ann.socket.id ?? "").socketsLeave("logged:b")
    await until("ann to be out", async () => !(await isIn(ann, "logged:b")))
    emitter.except("plain:a").socketsJoin("logged:d")
    await until("bob to be in", () => isIn(bob, "logged:d"))
    expect(await isIn(ann, "logged:d")).toBe(false)
    expect(metrics.calls.peerMessage.filter(([kind]) => kind === "change")).toEqual(
      Array.from({ length: 4 }, () => ["change", "ok"]),
    )
  })

  it("a room that no rule matches, the gateway's own, and no name at all are refused, and told once", async () => {
    const { connect, emitter, logs, metrics } = await startNode(redis)
    const ann = await connect("ann")
    emitter.socketsJoin(["unknown", "$user:bob", "no name", "plain:ok"])
    await until("ann to be in", () => isIn(ann, "plain:ok"))
    expect(metrics.calls.peerMessage.filter(([, outcome]) => outcome === "refused")).toHaveLength(3)
    const [told, ...more] = logs.entries.filter(({ message }) => message.includes("was not done"))
    expect(told?.message).toContain("was not done")
    expect(more).toEqual([])
    expect(ann.socket.connected).toBe(true)
  })

  it("a client in as many rooms as it may be is not joined to one more", async () => {
    const { connect, emitter, metrics } = await startNode(redis, { roomsPerConnection: 2 })
    const ann = await connect("ann", { rooms: ["plain:1", "plain:2"] })
    emitter.socketsJoin("plain:3")
    await until("it to be refused", () => metrics.calls.peerMessage.some(([, outcome]) => outcome === "refused"))
    expect(await isIn(ann, "plain:3")).toBe(false)
  })

  it("disconnects send away for good, with the gateway's word", async () => {
    const { connect, emitter } = await startNode(redis)
    const ann = await connect("ann", { rooms: ["plain:a"] })
    const bob = await connect("bob")
    emitter.in("plain:a").disconnectSockets(true)
    await until("ann to be gone", () => ann.disconnects.length === 1)
    expect(ann.closings).toMatchObject([{ code: "disconnected", reconnect: false }])
    expect(ann.disconnects).toEqual(["io server disconnect"])
    expect(bob.socket.connected).toBe(true)
  })
})
