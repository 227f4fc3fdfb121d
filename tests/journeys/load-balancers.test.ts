import { afterEach, describe, expect, it } from "vitest"
import type { ConfigInput } from "#bootstrap/config-schema.ts"
import { type Client, closeClients, connectClient, connected } from "#tests/support/client.ts"
import { type Gateway, startGateway } from "#tests/support/gateway.ts"
import { type Balancer, type RunningBalancer, startBalancer } from "#tests/support/load-balancer.ts"
import { until } from "#tests/support/until.ts"

const NODES = ["node-a", "node-b", "node-c"]
const TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]

const gateways: Gateway[] = []
const balancers: RunningBalancer[] = []
afterEach(async () => {
  closeClients()
  await Promise.all(balancers.splice(0).map((balancer) => balancer.stop()))
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop("SIGKILL")))
})

const start = async (balancer: Balancer, change: ConfigInput = {}) => {
  const trusting = { http: { trustedProxies: ["127.0.0.1"] }, ...change }
  const nodes = await Promise.all(NODES.map((nodeId) => startGateway({ ...trusting, nodeId })))
  gateways.push(...nodes)
  const running = await startBalancer(
    balancer,
    nodes.map(({ url }) => url),
  )
  balancers.push(running)
  return { nodes, balancer: running }
}

const connect = (url: string, count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, i) =>
      connectClient({ url }, `u${i}`, { transports: TRANSPORTS[i % TRANSPORTS.length] ?? [], rooms: [`open:${i}`] }),
    ),
  )
const nodesOf = (clients: readonly Client[]) => clients.map(({ ready }) => ready.at(-1)?.node ?? "none")
const transportOf = ({ socket }: Client) => socket.io.engine.transport.name

/** Each gets back, in order, what it publishes. */
const exchange = async (clients: readonly Client[]) => {
  const sent = Array.from({ length: 10 }, (_, n) => n)
  await Promise.all(
    clients.map(async ({ ask }, i) => {
      for (const n of sent) await ask("room:publish", { room: `open:${i}`, event: "n", data: n, echo: true })
    }),
  )
  for (const { received } of clients) {
    await until("all of it", () => received.length >= sent.length)
    expect(received.map(({ data }) => data)).toEqual(sent)
  }
}

describe.each(["nginx", "haproxy"] as const)("behind %s with the configuration of deploy", (name) => {
  it("clients of each transport are spread over the nodes, stay on theirs, and exchange events", async () => {
    const { balancer, nodes } = await start(name)
    const clients = await connect(balancer.url, 18)
    await until("upgrades", () => clients.every((client, i) => i % 3 === 1 || transportOf(client) === "websocket"))
    await exchange(clients)
    const on = nodesOf(clients)
    for (const node of NODES) expect(on.filter((each) => each === node).length).toBeGreaterThanOrEqual(2)
    const held = await Promise.all(nodes.map(({ metric }) => metric("roomcast_connections")))
    expect(held).toEqual(NODES.map((node) => on.filter((each) => each === node).length))
    for (const { disconnects, errors } of clients)
      expect({ disconnects, errors }).toEqual({ disconnects: [], errors: [] })
    expect(clients.filter((client) => transportOf(client) === "polling").length).toBe(6)
  })

  it("clients of a node that is killed come back on the others", async () => {
    const { balancer, nodes } = await start(name)
    const clients = await connect(balancer.url, 18)
    const orphans = clients.filter(({ ready }) => ready[0]?.node === "node-a")
    expect(orphans.length).toBeGreaterThanOrEqual(2)
    nodes[0]?.process.kill("SIGKILL")
    await Promise.all(orphans.map((client) => connected(client, 2)))
    expect(nodesOf(orphans)).not.toContain("node-a")
    const late = await connect(balancer.url, 6)
    expect(nodesOf(late)).not.toContain("node-a")
  })

  it("clients of a node that is drained are sent away and come back on the others, and nobody else is touched", async () => {
    const { balancer, nodes } = await start(name)
    const clients = await connect(balancer.url, 18)
    const leaving = clients.filter(({ ready }) => ready[0]?.node === "node-b")
    const staying = clients.filter((client) => !leaving.includes(client))
    expect(leaving.length).toBeGreaterThanOrEqual(2)
    const exit = nodes[1]?.stop("SIGTERM")
    await until("the first to be sent away", () => leaving.some(({ closings }) => closings.length > 0))
    const late = await connect(balancer.url, 6)
    expect(await exit).toBe(0)
    await Promise.all(leaving.map((client) => connected(client, 2)))
    expect(nodesOf([...leaving, ...late])).not.toContain("node-b")
    for (const { errors } of [...leaving, ...late]) expect(errors).toEqual([])
    for (const { closings } of leaving) expect(closings[0]).toMatchObject({ code: "draining", reconnect: true })
    for (const { disconnects } of staying) expect(disconnects).toEqual([])
  })

  it("a client cannot say what its address is, nor read the metrics, and no session's id gets into the log", async () => {
    const { balancer } = await start(name, { limits: { connectsPerSecondPerAddress: 2 } })
    const handshake = (address: string) =>
      fetch(`${balancer.url}/socket.io/?EIO=4&transport=polling`, { headers: { "x-forwarded-for": address } })
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => handshake(`192.0.2.${i}`)))
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(10)
    const opened = answers.find(({ ok }) => ok)
    const { sid } = JSON.parse(((await opened?.text()) ?? "").slice(1))
    await (
      await fetch(`${balancer.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, { method: "POST", body: "1" })
    ).text()
    expect((await fetch(`${balancer.url}/metrics`)).status).toBe(404)
    await until("the log", () => balancer.log().includes("/metrics"))
    expect(balancer.log()).toContain("/socket.io/")
    expect(balancer.log()).not.toContain(sid)
  })
})
