import { afterAll, afterEach, describe, expect, it } from "vitest"
import { startRedis } from "#tests/support/redis-server.ts"
import { settle, until } from "#tests/support/until.ts"
import { endAll, listen, startNode } from "./interop-fixture.ts"

const redis = await startRedis()
afterEach(endAll)
afterAll(() => redis.stop())

const META = { id: expect.any(String), ts: expect.any(Number) }

/** What an emitter publishes is heard in the order published: once this has come, what was before it has, or never will. */
const last = async (events: unknown[][], emitter: { emit: (event: string) => unknown }) => {
  emitter.emit("last")
  await until("the last", () => events.some(([event]) => event === "last"))
  return events.filter(([event]) => event !== "last")
}

describe("what a Socket.IO program emits over Redis", () => {
  it("reaches everybody, whatever its arguments, with an object after them and no position", async () => {
    const { connect, emitter } = await startNode(redis)
    const ann = await connect("ann", { rooms: ["logged:a"] })
    const bob = await connect("bob", { transports: ["polling"] })
    const [anns, bobs] = [listen(ann), listen(bob)]
    emitter.emit("one", { n: 1 })
    emitter.emit("text", "ends in a string")
    emitter.emit("many", 1, [2, "x"], null, "last")
    emitter.emit("none")
    emitter.emit("odd", { gone: undefined, at: new Date(0), not: Number.NaN }, undefined)
    const expected = [
      ["one", { n: 1 }, META],
      ["text", "ends in a string", META],
      ["many", 1, [2, "x"], null, "last", META],
      ["none", null, META],
      ["odd", { at: "1970-01-01T00:00:00.000Z", not: null }, null, META],
    ]
    expect(await last(anns, emitter)).toEqual(expected)
    expect(await last(bobs, emitter)).toEqual(expected)
  })

  it("reaches a client that asked for no meta as it was emitted", async () => {
    const { connect, emitter } = await startNode(redis)
    const events = listen(await connect("ann", { auth: { meta: false } }))
    emitter.emit("text", 1, "x")
    expect(await last(events, emitter)).toEqual([["text", 1, "x"]])
  })

  it("reaches rooms, connections and their unions once, and not those excepted", async () => {
    const { connect, emitter } = await startNode(redis)
    const ann = await connect("ann", { rooms: ["logged:a", "plain:b"] })
    const bob = await connect("bob", { rooms: ["plain:b"] })
    const [anns, bobs] = [listen(ann), listen(bob)]
    emitter.to("logged:a").emit("a")
    emitter.to(["logged:a", "plain:b"]).emit("union")
    emitter.to("plain:b").except("logged:a").emit("not in a")
    emitter.except(bob.socket.id ?? "").emit("not bob")
    emitter.in(bob.socket.id ?? "").emit("bob")
    emitter.to("plain:nobody").emit("nobody")
    emitter.to("$user:ann").emit("the gateway's own room")
    emitter.to("$all").emit("the gateway's own room")
    expect((await last(anns, emitter)).map(([event]) => event)).toEqual(["a", "union", "not bob"])
    expect((await last(bobs, emitter)).map(([event]) => event)).toEqual(["union", "not in a", "bob"])
  })

  it("is not logged: a client that comes back keeps its session, and gets nothing of it twice", async () => {
    const { connect, emitter } = await startNode(redis)
    const ann = await connect("ann", { rooms: ["logged:a"] })
    await ann.ask("room:publish", { room: "logged:a", event: "kept", data: 1 })
    emitter.to("logged:a").emit("text", "a string, which no client may take for a position")
    await until("it", () => ann.received.some(({ event }) => event === "text"))
    ann.drop()
    await until("it to be back", () => ann.ready.length === 2)
    const history = await ann.ask("room:history", { room: "logged:a" })
    expect(ann.recovered).toEqual([false, true])
    expect(ann.received.map(({ event }) => event)).toEqual(["kept", "text"])
    expect(history.messages.map(({ event }: { event: string }) => event)).toEqual(["kept"])
  })

  it("waits behind a closed gate, in order with what is published", async () => {
    const { closeGateOf, connect, emitter } = await startNode(redis)
    const ann = await connect("ann", { rooms: ["logged:a"] })
    const bob = await connect("bob", { rooms: ["logged:a"] })
    const [anns, bobs] = [listen(ann), listen(bob)]
    const open = await closeGateOf(ann)
    for (let n = 0; n < 6; n++) {
      if (n % 2 === 0) emitter.to("logged:a").emit("emitted", n)
      else await bob.ask("room:publish", { room: "logged:a", event: "published", data: n })
      await until("it to be with the other", () => bobs.length === n + 1)
    }
    expect(anns).toEqual([])
    await open()
    await until("all", () => anns.length === 6)
    expect(anns.map(([, n]) => n)).toEqual([0, 1, 2, 3, 4, 5])
    expect(anns.map((args) => typeof args.at(-1))).toEqual(["object", "string", "object", "string", "object", "string"])
    expect(anns[0]).toEqual(["emitted", 0, META])
  })

  it("waits behind the gate of a client that is connecting: session:ready is its first event", async () => {
    const { connect, emitter } = await startNode(redis)
    let running = true
    const flood = (async () => {
      for (let n = 0; running; n++) {
        emitter.emit("flood", n)
        await settle(1)
      }
    })()
    for (let i = 0; i < 20; i++) {
      const client = await connect(`u${i}`, { wait: false })
      const events = listen(client)
      await until("some", () => events.length > 3)
      expect(events[0]?.[0]).toBe("session:ready")
      const numbers = events.slice(1).map(([, n]) => Number(n))
      expect(numbers).toEqual(numbers.map((_, k) => (numbers[0] ?? 0) + k))
    }
    running = false
    await flood
  })

  it("is refused where it is not the application's to send, and told in the log at a bounded rate", async () => {
    const { connect, emitter, logs, metrics } = await startNode(redis, { payloadBytes: 1_000 })
    const events = listen(await connect("ann"))
    emitter.emit("session:closing", { reconnect: false })
    emitter.emit("room:left", {})
    emitter.emit("binary", Buffer.from("x"))
    emitter.emit("binary", { deep: [new Uint8Array(3)] })
    emitter.emit("large", "x".repeat(1_001))
    emitter.emit("large", "x".repeat(600), "x".repeat(600))
    emitter.emit("", 1)
    let deep: unknown = 1
    for (let i = 0; i < 150; i++) deep = [deep]
    emitter.emit("deep", deep)
    for (let i = 0; i < 200; i++) emitter.emit("binary", Buffer.from("x"))
    expect(await last(events, emitter)).toEqual([])
    expect(metrics.calls.peerMessage.filter(([, outcome]) => outcome === "refused")).toHaveLength(208)
    const [told, ...more] = logs.entries.filter(({ message }) => message.includes("was not taken"))
    expect(told?.annotations["reason"]).toContain("session:closing")
    expect(more).toEqual([])
  })
})
