import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type Client, type ClientOptions, closeClients, connectClient } from "#tests/support/client.ts"
import { token } from "#tests/support/gateway.ts"
import { type RawClient, rawClient, rawUser } from "#tests/support/raw-client.ts"
import { metricOf, type SocketioNode, startSocketioNode } from "#tests/support/socketio-node.ts"
import { until } from "#tests/support/until.ts"

let node: SocketioNode
const raws: RawClient[] = []

beforeAll(async () => {
  node = await startSocketioNode({
    node: "first",
    nodes: new Map(),
    secret: "none",
    change: { limits: { eventsPerSecond: 5, connectionsPerUser: 2 } },
  })
})
afterEach(() => {
  closeClients()
  for (const { ws } of raws.splice(0)) ws.terminate()
})
afterAll(() => node.close())

const connect = (userId: string, options?: ClientOptions): Promise<Client> => connectClient(node, userId, options)
const count = (name: string): Promise<number> => metricOf(node.url, `roomcast_${name}`)
const raw = async (made: Promise<RawClient>): Promise<RawClient> => {
  const client = await made
  raws.push(client)
  return client
}

/** What the work adds to a counter. */
const added = async (name: string, work: () => Promise<unknown>): Promise<number> => {
  const before = await count(name)
  await work()
  return (await count(name)) - before
}

describe("an event of a client", () => {
  it("carries one argument: more are refused, with what to do instead", async () => {
    const ann = await connect("ann")
    const { error } = await ann.ask("order.place", 1, 2)
    expect(error.code).toBe("invalid_request")
    expect(error.message).toContain("put them into one object")
  })

  it("has a name that is text", async () => {
    const client = await raw(rawUser(node, "raw"))
    client.send("421[42,1]")
    await until("the answer", () => client.packets.some((packet) => packet.startsWith("431[")))
    expect(client.packets.at(-1)).toContain('"code":"invalid_request"')
    expect(client.isGone()).toBe(false)
  })

  it("is counted by whose it is and how it ended, and its refusal as an answer", async () => {
    const bob = await connect("bob")
    expect(
      await added('client_events_total{kind="gateway",outcome="ok"}', () => bob.ask("room:join", { room: "open:a" })),
    ).toBe(1)
    const unknown = () => bob.ask("nobody.hears", 1)
    expect(await added('client_events_total{kind="unknown",outcome="unknown_event"}', unknown)).toBe(1)
    expect(await added('errors_answered_total{code="unknown_event",edge="socketio"}', unknown)).toBe(1)
  })

  it("too fast is told when to come again, and counted as a limit that was hit", async () => {
    const cid = await connect("cid")
    const hits = await added('limit_hits_total{limit="events_per_second"}', async () => {
      const answers = await Promise.all(Array.from({ length: 30 }, () => cid.ask("room:leave", { room: "open:a" })))
      const refused = answers.filter(({ ok }) => !ok)
      expect(refused.length).toBeGreaterThan(0)
      for (const { error } of refused) {
        expect(error.code).toBe("rate_limited")
        expect(error.retryAfterMs).toBeGreaterThan(0)
      }
    })
    expect(hits).toBeGreaterThan(0)
  })
})

describe("a client that connects", () => {
  it("twice at once on one connection is let in once and refused once", async () => {
    const client = await raw(rawClient(node))
    const refused = await added('connections_refused_total{code="already_connecting"}', async () => {
      const packet = `40${JSON.stringify({ token: await token("twice") })}`
      client.send(packet)
      client.send(packet)
      await until("both answers", () => client.packets.filter((packet) => /^4[04]\{/.test(packet)).length === 2)
    })
    expect(client.packets.find((packet) => packet.startsWith("44"))).toContain('"code":"already_connecting"')
    expect(client.packets.some((packet) => packet.startsWith("40"))).toBe(true)
    expect(refused).toBe(1)
  })

  it("and is refused is counted by the code that it was told", async () => {
    const refused = await added('connections_refused_total{code="unauthorized"}', async () => {
      const client = await raw(rawClient(node))
      expect(await client.join({ token: "no token" })).toContain('"code":"unauthorized"')
    })
    expect(refused).toBe(1)
  })

  it("may write the scheme of its token as it likes", async () => {
    const extraHeaders = { authorization: `bearer ${await token("dan")}` }
    const dan = await connect("dan", { auth: { token: undefined }, extraHeaders })
    expect(dan.ready[0]?.userId).toBe("dan")
  })

  it("is served no script of Socket.IO's: applications bring their own", async () => {
    const response = await fetch(`${node.url}/socket.io/socket.io.js`)
    expect(response.status).toBe(400)
    expect((await response.text()).length).toBeLessThan(1_000)
  })
})

describe("what a gateway event says", () => {
  it.each([
    ["room:join", { room: "open:a", recent: 1_001 }],
    ["room:join", { room: "open:a", recent: 0 }],
    ["room:history", { room: "open:a", limit: 1_001 }],
    ["room:publish", { room: "open:a", event: "e", data: 1, id: "" }],
    ["room:publish", { room: "open:a", event: "e", data: 1, id: "i".repeat(201) }],
    ["room:members", { room: "open:a", cursor: "c".repeat(501) }],
    ["session:refresh", { token: "t".repeat(8_193) }],
  ])("is refused where it is out of bounds: %s %j", async (event, data) => {
    const eve = await connect("eve")
    const { error } = await eve.ask(event, data)
    expect(error.code).toBe("invalid_request")
    expect(error.details).toHaveLength(1)
  })

  it("names one thing to catch up from: an offset, or a number of messages", async () => {
    const gus = await connect("gus")
    const { offset: since } = await gus.ask("room:join", { room: "open:a" })
    expect(await gus.ask("room:join", { room: "open:a", since })).toMatchObject({ ok: true })
    const { error } = await gus.ask("room:join", { room: "open:a", since, recent: 1 })
    expect(error.code).toBe("invalid_request")
  })

  it("is told its fault in few words, however many there are", async () => {
    const fay = await connect("fay")
    const unknown = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`unknown-${i}`, i]))
    const { error } = await fay.ask("room:join", { room: "open:a", ...unknown })
    expect(error.code).toBe("invalid_request")
    expect(error.details[0].detail).toHaveLength(300)
  })
})
