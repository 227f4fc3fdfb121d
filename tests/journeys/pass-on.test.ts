import { afterEach, describe, expect, it } from "vitest"
import { type Client, closeClients, connectClient, connected } from "#tests/support/client.ts"
import { type PassingNode, passingNodes, SECRET } from "#tests/support/passing-nodes.ts"
import { roundRobin } from "#tests/support/round-robin.ts"
import { metricOf, type SocketioNodeOptions } from "#tests/support/socketio-node.ts"
import { until } from "#tests/support/until.ts"

const running: PassingNode[] = []
const closing: (() => void)[] = []
afterEach(() => {
  closeClients()
  for (const close of closing.splice(0)) close()
  for (const { process } of running.splice(0)) process.kill("SIGKILL")
})

const start = async (ids: readonly string[], more: Pick<SocketioNodeOptions, "change" | "passOn"> = {}) => {
  const nodes = await passingNodes(ids, more)
  running.push(...nodes)
  const balancer = await roundRobin(nodes.map(({ url }) => url))
  closing.push(balancer.close)
  return { nodes, balancer }
}

const everywhere = async (nodes: readonly PassingNode[], name: string): Promise<number> => {
  const values = await Promise.all(nodes.map(({ url }) => metricOf(url, name)))
  return values.reduce((sum, value) => sum + value, 0)
}

const nodesOf = (clients: readonly Client[]) => new Set(clients.map(({ ready }) => ready.at(-1)?.node))
const polling = { transports: ["polling"] }
const upgrading = { transports: ["polling", "websocket"] }
const MESSAGES = Array.from({ length: 40 }, (_, i) => i)

describe("behind a balancer that gives each request to the next node", () => {
  const TRANSPORTS = [polling, upgrading, { transports: ["websocket"] }]
  it.each(TRANSPORTS)("clients of $transports stay on their node and lose nothing", async ({ transports }) => {
    const { balancer, nodes } = await start(["a", "b.dotted", "c"])
    const clients = await Promise.all(
      Array.from({ length: 9 }, (_, i) => connectClient(balancer, `u${i}`, { transports, rooms: [`open:${i}`] })),
    )
    expect(nodesOf(clients)).toEqual(new Set(["a", "b.dotted", "c"]))
    if (transports.includes("websocket"))
      await until("all to have a WebSocket", () =>
        clients.every(({ socket }) => socket.io.engine.transport.name === "websocket"),
      )
    await Promise.all(
      clients.map(async ({ ask }, i) => {
        for (const n of MESSAGES)
          expect(await ask("room:publish", { room: `open:${i}`, event: "n", data: n, echo: true })).toMatchObject({
            ok: true,
          })
      }),
    )
    await until("everything to come back", () => clients.every(({ received }) => received.length >= MESSAGES.length))
    for (const client of clients) {
      expect(client.received.map(({ data }) => data)).toEqual(MESSAGES)
      expect({ errors: client.errors, disconnects: client.disconnects }).toEqual({ errors: [], disconnects: [] })
    }
    const relays = await everywhere(nodes, "roomcast_relays")
    const passed = await everywhere(nodes, "roomcast_requests_passed_on")
    if (transports.length === 2) expect(relays).toBeGreaterThan(0)
    else expect(relays).toBe(0)
    if (transports[0] === "polling" && transports.length === 1) expect(passed).toBeGreaterThan(0)
    closeClients()
    for (const gauge of ["roomcast_relays", "roomcast_requests_passed_on", "roomcast_connections"])
      await until(`no ${gauge}`, async () => (await everywhere(nodes, gauge)) === 0)
  })

  it.each([polling, upgrading])("clients of $transports whose node is killed come back on others", async (options) => {
    const { balancer, nodes } = await start(["a", "b"])
    const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => connectClient(balancer, `u${i}`, options)))
    const orphans = clients.filter(({ ready }) => ready[0]?.node === "a")
    expect(orphans.length).toBeGreaterThan(0)
    nodes[0]?.process.kill("SIGKILL")
    await Promise.all(orphans.map((client) => connected(client, 2)))
    expect(nodesOf(clients)).toEqual(new Set(["b"]))
  })
})

/** A polling session, by hand. */
const handshake = async (url: string): Promise<string> => {
  const text = await (await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).text()
  return JSON.parse(text.slice(1)).sid
}
const sessionUrl = (url: string, sid: string) => `${url}/socket.io/?EIO=4&transport=polling&sid=${sid}`
const unknownSession = { code: 1, message: "Session ID unknown" }

const pair = async (more: Pick<SocketioNodeOptions, "change" | "passOn"> = {}) => {
  const [a, b] = await passingNodes(["a", "b"], more)
  if (a === undefined || b === undefined) throw new Error("two nodes")
  running.push(a, b)
  return { a, b }
}

describe("a session of another node", () => {
  it("whose node is dead is answered as engine.io answers an unknown one, so that a page's client may read it", async () => {
    const { a, b } = await pair()
    const sid = await handshake(b.url)
    expect(await (await fetch(sessionUrl(a.url, sid), { method: "POST", body: "40" })).text()).toBe("ok")
    const dead = new Promise((resolve) => b.process.once("exit", resolve))
    b.process.kill("SIGKILL")
    await dead
    for (const init of [{}, { method: "POST", body: "x".repeat(100_000) }]) {
      const answer = await fetch(sessionUrl(a.url, sid), { ...init, headers: { origin: "https://app.example" } })
      expect([answer.status, answer.headers.get("access-control-allow-origin"), await answer.json()]).toEqual([
        400,
        "https://app.example",
        unknownSession,
      ])
    }
    expect(await metricOf(a.url, "roomcast_requests_passed_on")).toBe(0)
  })

  it("whose node hangs is answered so after a while", async () => {
    const { a, b } = await pair({ passOn: { waits: { answerMs: 500 } } })
    const sid = await handshake(b.url)
    b.process.kill("SIGSTOP")
    const answer = await fetch(sessionUrl(a.url, sid), { method: "POST", body: "40" })
    expect([answer.status, await answer.json()]).toEqual([400, unknownSession])
    await until("no request", async () => (await metricOf(a.url, "roomcast_requests_passed_on")) === 0)
  })

  it("that is made up is refused by the node that it names", async () => {
    const { a } = await pair()
    for (const sid of ["b.made-up", "nobody.made-up", "b.", ".b", "made-up", "a.made-up"]) {
      const answer = await fetch(sessionUrl(a.url, sid))
      expect([sid, answer.status, await answer.json()]).toEqual([sid, 400, unknownSession])
    }
  })

  it("goes one hop and no further", async () => {
    const { a } = await pair()
    const answer = await fetch(sessionUrl(a.url, "b.made-up"), { headers: { "x-roomcast-hop": SECRET } })
    expect([answer.status, await answer.json()]).toEqual([400, unknownSession])
  })
})
