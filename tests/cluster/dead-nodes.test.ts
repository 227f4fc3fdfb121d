import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Client, closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startNode, token } from "#tests/support/gateway.ts"
import { type RedisServer, startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"

let redis: RedisServer
/** For who cuts subscriptions: a word of presence that nobody hears is not said again. */
let ofDeaf: RedisServer
const started: Gateway[] = []

const nodes = async (count: number, prefix: string, { url } = redis): Promise<Gateway[]> => {
  const made = await Promise.all(
    Array.from({ length: count }, () => startNode({ engine: "redis", redis: { url, prefix } })),
  )
  started.push(...made)
  return made
}

beforeAll(async () => {
  redis = await startRedis()
  ofDeaf = await startRedis()
})
afterAll(async () => {
  closeClients()
  for (const node of started) {
    node.process.kill("SIGCONT")
    node.process.kill("SIGKILL")
  }
  await Promise.all([redis.stop(), ofDeaf.stop()])
})

const told = (client: Client, event: string, userId: string): number =>
  client.received.filter((each) => each.event === event && each.data.userId === userId).length

const LEASE_MS = 10_000

describe.concurrent("a node", { timeout: 90_000 }, () => {
  it("that is killed is mourned once, by one of the others, and who went on elsewhere is not", async () => {
    const [a, b, c] = (await nodes(3, "killed")) as [Gateway, Gateway, Gateway]
    const watchers = [
      await connectClient(b, "watch-b", { rooms: ["shown:r"] }),
      await connectClient(c, "watch-c", { rooms: ["shown:r"] }),
    ]
    const gone = Array.from({ length: 5 }, (_, i) => `gone-${i}`)
    for (const userId of gone) await connectClient(a, userId, { rooms: ["shown:r"], reconnection: false })
    const mover = await connectClient(a, "mover", { rooms: ["shown:r"] })
    await until("everybody to be seen", () => watchers.every((each) => told(each, "room:joined", "mover") === 1))
    a.process.kill("SIGKILL")
    const killedAt = Date.now()
    Reflect.set(mover.socket.io, "uri", b.url)
    await until("the mover to be back", () => mover.recovered.length === 2, 20_000)
    expect(mover.recovered).toEqual([false, true])
    await until(
      "the others to be mourned",
      () => gone.every((each) => told(watchers[0]!, "room:left", each) > 0),
      30_000,
    )
    expect(Date.now() - killedAt).toBeGreaterThan(LEASE_MS / 2)
    await sleep(3_000)
    for (const watcher of watchers) {
      expect(gone.map((each) => told(watcher, "room:left", each))).toEqual(gone.map(() => 1))
      expect([told(watcher, "room:left", "mover"), told(watcher, "room:joined", "mover")]).toEqual([0, 1])
    }
    const { body } = await b.call("GET", "/v1/rooms/shown%3Ar/members")
    expect(body.items.map((each: { userId: string }) => each.userId).sort()).toEqual(["mover", "watch-b", "watch-c"])
    const listed = await c.call("GET", "/v1/nodes")
    expect(listed.body.items.length).toBe(2)
  })

  it("that was stopped for longer than its lease tells that its clients are there, and applies what it missed", async () => {
    const [a, b] = (await nodes(2, "stopped")) as [Gateway, Gateway]
    const watcher = await connectClient(b, "watcher", { rooms: ["shown:r"] })
    const stays = await connectClient(a, "stays", { rooms: ["shown:r"] })
    const revoked = await connectClient(a, "revoked", { rooms: ["shown:r"], reconnection: false })
    await until("both to be seen", () => told(watcher, "room:joined", "revoked") === 1)
    a.process.kill("SIGSTOP")
    await until("its lease to lapse", () => told(watcher, "room:left", "stays") === 1, 30_000)
    const answer = await b.call("POST", "/v1/revocations", { userId: "revoked", issuedBefore: Date.now() + 1_000 })
    expect(answer.status).toBe(201)
    a.process.kill("SIGCONT")
    await until("the one that stays to be told of again", () => told(watcher, "room:joined", "stays") === 2, 30_000)
    await until("the revoked one to be closed", () => revoked.closings.length > 0, 30_000)
    expect(revoked.closings).toMatchObject([{ code: "revoked", reconnect: false }])
    expect([stays.disconnects, told(watcher, "room:joined", "revoked")]).toEqual([[], 1])
    await until("it to be ready", async () => (await fetch(`${a.url}/readyz`)).ok, 30_000)
    await b.push({ users: ["stays"] }, "still", 1)
    await until("a message", () => stays.received.some(({ event }) => event === "still"))
    const { body } = await b.call("GET", "/v1/rooms/shown%3Ar/members")
    expect(body.items.map((each: { userId: string }) => each.userId).sort()).toEqual(["stays", "watcher"])
  })

  it("that hears nothing is asked in vain, which is said, and applies a revocation when it hears again", async () => {
    const [a, b] = (await nodes(2, "deaf", ofDeaf)) as [Gateway, Gateway]
    const client = await connectClient(a, "deaf", { rooms: ["open:r"], reconnection: false })
    a.process.kill("SIGSTOP")
    const put = await b.call("PUT", "/v1/users/deaf/rooms/open%3Aother")
    expect([put.status, put.body.code]).toEqual([503, "engine_unavailable"])
    const made = await b.call("POST", "/v1/revocations", { userId: "deaf", issuedBefore: Date.now() + 1_000 })
    expect([made.status, made.body.outcome]).toEqual([503, "unknown"])
    await ofDeaf.client.client("KILL", "TYPE", "PUBSUB")
    a.process.kill("SIGCONT")
    await until("the revoked one to be closed", () => client.closings.length > 0, 30_000)
    expect(client.closings).toMatchObject([{ code: "revoked" }])
    const refused = await connectClient(a, "deaf", {
      auth: { token: await token("deaf", { issuedAt: Math.floor(Date.now() / 1000) - 60 }) },
      wait: false,
    })
    await until("the refusal", () => refused.errors.length > 0)
    expect(refused.errors[0]?.data?.code).toBe("revoked")
  })
})

describe.concurrent("commands", { timeout: 60_000 }, () => {
  it("to any node reach a connection wherever it is, and are done when they are answered", async () => {
    const cluster = await nodes(3, "commands")
    const client = await connectClient(cluster[0]!, "u")
    for (let i = 0; i < 60; i++) {
      const node = cluster[i % 3]!
      const room = `given:${i % 20}`
      const path = `/v1/users/u/rooms/${encodeURIComponent(room)}`
      expect(await node.call("PUT", path)).toMatchObject({ status: 200, body: { connections: 1 } })
      expect((await cluster[(i + 1) % 3]!.push({ rooms: [room] }, "e", i)).status).toBe(202)
      await until(`message ${i}`, () => client.received.at(-1)?.data === i)
      expect((await cluster[(i + 2) % 3]!.call("DELETE", path)).status).toBe(200)
      await node.push({ rooms: [room] }, "e", "not for it")
    }
    expect(client.received.map(({ data }) => data)).toEqual(Array.from({ length: 60 }, (_, i) => i))
    const { connectionId = "" } = client.ready[0] ?? {}
    expect((await cluster[1]!.call("DELETE", `/v1/connections/${connectionId}`)).status).toBe(204)
    expect((await cluster[2]!.call("GET", `/v1/connections/${connectionId}`)).status).toBe(404)
    await until("it to be told", () => client.closings.length === 1)
    expect(client.closings[0]).toMatchObject({ code: "disconnected", reconnect: false })
  })

  it("gather acknowledgements from every node, once for a key", async () => {
    const cluster = await nodes(3, "acks")
    const clients = await Promise.all(
      cluster.map((node, i) => connectClient(node, `acker-${i}`, { rooms: ["open:acks"] })),
    )
    let asked = 0
    for (const { socket } of clients.slice(0, 2))
      socket.on("question", (...args: unknown[]) => {
        asked++
        const answer = args.at(-1)
        if (typeof answer === "function") answer({ yes: true })
      })
    const push = (node: Gateway) =>
      node.push({ rooms: ["open:acks"] }, "question", 1, { ack: { timeoutMs: 1_000 } }, { "idempotency-key": "k" })
    const answers = await Promise.all(cluster.map(push))
    for (const { body, status } of answers) {
      expect(status).toBe(200)
      expect(body).toEqual(answers[0]?.body)
    }
    expect(answers[0]?.body.responses.length).toBe(2)
    expect(answers[0]?.body.missing).toEqual([clients[2]?.ready[0]?.connectionId])
    expect(asked).toBe(2)
  })
})
