import { Emitter } from "@socket.io/redis-emitter"
import fc from "fast-check"
import { Redis } from "ioredis"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { Answers } from "#adapters/interop/answers.ts"
import { isMessagePack } from "#adapters/interop/msgpack-shape.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"
import { endAll, foreignRedis, listen, onEnd, startNode } from "./interop-fixture.ts"

const redis = await startRedis()
afterEach(endAll)
afterAll(() => redis.stop())

/** What an emitter would publish. */
const published = (...args: unknown[]): Buffer => {
  let bytes: Buffer = Buffer.alloc(0)
  new Emitter({ publish: (_channel: string, message: Buffer) => (bytes = message) }).emit("event", ...args)
  return bytes
}

describe("Redis away", () => {
  it("keeps clients connected, ends nothing where it dies under answers, and what is emitted later is heard again", async () => {
    const first = await startRedis()
    onEnd(() => first.stop())
    const node = await startNode(first)
    const ann = await node.connect("ann", { rooms: ["plain:a"] })
    const events = listen(ann)
    node.emitter.emit("before")
    await until("the first", () => events.length === 1)
    // Each asks for an answer of the gateway's.
    const request = JSON.stringify({ type: 5, requestId: "r", uid: "x", opts: { rooms: ["plain:a"], except: [] } })
    for (let i = 0; i < 2_000; i++) first.client.publish(`${node.key}-request#/#`, request).catch(() => {})
    await until("some", () => node.metrics.calls.peerMessage.filter(([kind]) => kind === "answer").length > 10)
    await first.kill()
    await until("it to be told", () => node.logs.entries.some(({ message }) => message.includes("connection to Redis")))
    expect(await ann.ask("room:join", { room: "plain:b" })).toMatchObject({ ok: true })
    await first.restart()
    await until("the subscription", async () => {
      const answer: unknown = await first.client.call("PUBSUB", "NUMSUB", `${node.key}-request#/#`)
      return Array.isArray(answer) && answer[1] === 1
    })
    new Emitter(first.client, { key: node.key }).to("plain:a").emit("after")
    await until("the next", () => events.some(([event]) => event === "after"))
    expect(ann.disconnects).toEqual([])
    expect(node.logs.entries.filter(({ level }) => level === "Warn").length).toBeLessThan(10)
  })

  it("answers that Redis does not take are counted, end nothing, and wait in a bounded number", async () => {
    const own = await startRedis()
    onEnd(() => own.stop())
    const client = new Redis(own.url, { maxRetriesPerRequest: 0, enableOfflineQueue: false, retryStrategy: () => 50 })
    client.on("error", () => {})
    onEnd(() => client.disconnect())
    await until("the connection", () => client.status === "ready")
    const counts = { done: 0, failed: 0, full: 0 }
    const answers = new Answers({
      client,
      done: () => counts.done++,
      failed: () => counts.failed++,
      full: () => counts.full++,
    })
    own.signal("SIGSTOP")
    for (let i = 0; i < 1_500; i++) answers.publish("channel", "x")
    expect(counts).toEqual({ done: 0, failed: 0, full: 500 })
    own.signal("SIGCONT")
    await until("those that wait", () => counts.done === 1_000)
    answers.publish("channel", "x")
    await until("one more", () => counts.done === 1_001)
    await own.stop()
    await until("the end", () => client.status !== "ready")
    answers.publish("channel", "x")
    await until("it to fail", () => counts.failed === 1)
  })

  it("is subscribed anew where its connection is cut, or is up and silent", async () => {
    const own = await startRedis()
    onEnd(() => own.stop())
    const node = await startNode(own)
    const events = listen(await node.connect("ann"))
    await own.client.call("CLIENT", "KILL", "TYPE", "pubsub")
    await node.subscribed()
    node.emitter.emit("cut")
    await until("it", () => events.length === 1)
    own.signal("SIGSTOP")
    await until("the silence to be met", () => node.logs.text().includes("connection to Redis"), 30_000)
    own.signal("SIGCONT")
    await until("it to be heard again", () => {
      node.emitter.emit("silent")
      return events.some(([event]) => event === "silent")
    })
  })
})

it("a node without the right to its channels says so, and listens once it has it", async () => {
  const own = await startRedis()
  onEnd(() => own.stop())
  await own.client.call("ACL", "SETUSER", "node", "on", ">password", "~*", "+@all", "resetchannels")
  const starting = startNode({ ...own, url: own.url.replace("//", "//node:password@") })
  await until("it to be refused", async () => Object(await own.client.call("ACL", "LOG")).length > 0)
  await own.client.call("ACL", "SETUSER", "node", "&*")
  const node = await starting
  expect(node.logs.text()).toMatch(/NOPERM/)
  expect(String(await own.client.info("stats"))).toMatch(/total_connections_received:[1-5]\r/)
})

it("on Redis Cluster other programs are heard too", async () => {
  const cluster = await startRedis(["--save", "", "--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"])
  onEnd(() => cluster.stop())
  await cluster.client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
  await until("the cluster", async () => String(await cluster.client.call("CLUSTER", "INFO")).includes("state:ok"))
  const node = await startNode({ ...cluster, url: cluster.url.replace("redis:", "redis+cluster:") })
  const events = listen(await node.connect("ann", { rooms: ["plain:a"] }))
  node.emitter.to("plain:a").emit("one", 1)
  await until("it", () => events.length === 1)
})

describe("foreign messages on its channels", () => {
  const channels = ({ key }: { readonly key: string }) => [
    `${key}#/#`,
    `${key}#/#plain:a#`,
    `${key}#/#nobody#`,
    `${key}#/#/`,
    `${key}-request#/#`,
    `${key}-response#/#`,
  ]
  const jsons: unknown[] = [
    null,
    1,
    "x",
    [],
    {},
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 99, "5"].flatMap((type) => [
      { type },
      { type, requestId: 1, opts: 1, rooms: 1, data: 1, packet: 1 },
      { type, requestId: "r", opts: { rooms: 5, except: {} }, rooms: [null, {}, []], data: null },
      { type, opts: { rooms: ["plain:b"], except: [] }, rooms: [{}], data: [] },
      { type, sid: "nobody", room: {}, rooms: "x" },
    ]),
  ]
  /** Lengths that promise far more than comes: of an array, a map, a text, bytes, and a legacy ArrayBuffer. */
  const promises = ["dd01ffffff", "df7fffffff", "dbffffffff", "c6ffffffff", "c9ffffffff00", "dc01ffff".repeat(300)]

  it("end nothing, are counted, and what is meant is heard all the same", async () => {
    const node = await startNode(redis)
    const ann = await node.connect("ann", { rooms: ["plain:a"] })
    const events = listen(ann)
    const client = foreignRedis(redis)
    const random = fc.sample(fc.uint8Array({ maxLength: 200 }), 300).map((bytes) => Buffer.from(bytes))
    const good = published({ a: [1, "x", null] })
    const messages = [
      ...jsons.map((json) => Buffer.from(JSON.stringify(json))),
      ...promises.map((hex) => Buffer.from(hex, "hex")),
      Buffer.from("dd01ffffff".repeat(1_000), "hex"),
      Buffer.alloc(100_000, 0x91),
      Buffer.from(`{"type":5,"opts":${"[".repeat(50_000)}`),
      Buffer.from("{no json"),
      Buffer.alloc(2_000_000, 0x20),
      ...random,
      ...Array.from(good.keys(), (length) => good.subarray(0, length)),
      published(...Array.from({ length: 200 }, (_, i) => i)),
    ]
    for (const channel of channels(node)) for (const message of messages) await client.publish(channel, message)
    node.emitter.to("plain:a").emit("meant", 1)
    await until("what is meant", () => events.some(([event]) => event === "meant"))
    expect(events.map(([event]) => event)).toEqual(["meant"])
    expect(ann.socket.connected).toBe(true)
    const refused = node.metrics.calls.peerMessage.filter(([, outcome]) => outcome === "refused").length
    expect(refused).toBeGreaterThan(1_000)
    expect(node.logs.entries.filter(({ level }) => level === "Warn").length).toBeLessThan(10)
  })

  it("are told from MessagePack by their shape alone", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 6 })), fc.nat(), (args, cut) => {
        const bytes = published(...args)
        expect(isMessagePack(bytes)).toBe(true)
        expect(isMessagePack(bytes.subarray(0, cut % bytes.length))).toBe(false)
        expect(isMessagePack(Buffer.concat([bytes, Buffer.from([0])]))).toBe(false)
      }),
    )
    const sizes = [new Date(), new Date(-1), 2 ** 40, -1, -200, -70_000, -(2 ** 40), 1.5, undefined, true]
    const long = [40, 300, 70_000].flatMap((n) => ["x".repeat(n), Buffer.alloc(n), Array.from({ length: n }, () => 0)])
    for (const each of [...sizes, ...long]) expect(isMessagePack(published(each))).toBe(true)
    for (const hex of promises) expect(isMessagePack(Buffer.from(hex, "hex"))).toBe(false)
  })
})
