import { afterAll, afterEach, beforeAll, expect, it } from "vitest"
import { type Backend, startBackend, WEBHOOK_SECRET } from "#tests/support/backend.ts"
import { closeClients, connectClient } from "#tests/support/client.ts"
import { metricOf, type SocketioNode, startSocketioNode } from "#tests/support/socketio-node.ts"
import { until } from "#tests/support/until.ts"

let backend: Backend
let node: SocketioNode
/** Those that the backend was asked, which answers when it is told to. */
const asked: { readonly n: number; readonly answer: () => void; readonly isGone: () => boolean }[] = []

beforeAll(async () => {
  backend = await startBackend()
  backend.answer =
    ({ data }) =>
    (response) => {
      let gone = false
      response.on("close", () => (gone = !response.writableFinished))
      asked.push({ n: data.payload, answer: () => response.writeHead(204).end(), isGone: () => gone })
    }
  node = await startSocketioNode({
    node: "first",
    nodes: new Map(),
    secret: "none",
    change: {
      limits: { eventsPerSecond: 0, eventsInFlight: 2 },
      events: [{ match: "slow.*", forward: "rpc", timeout: "60s" }],
      webhooks: { endpoints: [{ url: backend.url, secret: WEBHOOK_SECRET, events: ["slow.*"] }] },
    },
  })
})
afterEach(() => {
  closeClients()
  asked.length = 0
})
afterAll(async () => {
  await node.close()
  await backend.stop()
})

it("no more of a client's events are under way than limits.eventsInFlight, begun in their order", async () => {
  const { ask } = await connectClient(node, "ann")
  const answers = [0, 1, 2, 3].map((n) => ask("slow.event", n))
  await until("as many as may", () => asked.length === 2)
  expect(await metricOf(node.url, "roomcast_webhook_in_flight")).toBe(2)
  asked[1]?.answer()
  await until("the next", () => asked.length === 3)
  expect(asked.map(({ n }) => n).toSorted()).toEqual([0, 1, 2])
  asked[0]?.answer()
  asked[2]?.answer()
  await until("the last", () => asked.length === 4)
  asked[3]?.answer()
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 4 }, () => ({ ok: true, data: null })))
})

it("what waits behind them is bounded: more is refused, with when to come again, and counted", async () => {
  const { ask, socket } = await connectClient(node, "bob")
  const refused: { readonly code: string; readonly retryAfterMs: number }[] = []
  for (let n = 0; n < 300; n++)
    socket.emit("slow.event", n, (answer: { readonly ok: boolean; readonly error: (typeof refused)[number] }) => {
      if (!answer.ok) refused.push(answer.error)
    })
  await until("what is too many", () => refused.length >= 98)
  expect(refused).toHaveLength(98)
  for (const error of refused) expect(error).toMatchObject({ code: "rate_limited", retryAfterMs: 1_000 })
  expect(await metricOf(node.url, 'roomcast_limit_hits_total{limit="events_waiting"}')).toBe(98)
  for (let n = 0; n < 202; n++) {
    await until("the next", () => asked.length > n)
    asked[n]?.answer()
  }
  const again = ask("slow.event", 300)
  await until("one more", () => asked.length === 203)
  asked[202]?.answer()
  expect(await again).toEqual({ ok: true, data: null })
})

it("a client that goes away takes its questions to the backend along, and what waited is never asked", async () => {
  const { socket } = await connectClient(node, "cid")
  for (let n = 0; n < 5; n++) socket.emit("slow.event", n)
  await until("as many as may", () => asked.length === 2)
  socket.disconnect()
  await until("both to be given up", () => asked.every(({ isGone }) => isGone()))
  await until("none to be under way", async () => (await metricOf(node.url, "roomcast_webhook_in_flight")) === 0)
  expect(asked).toHaveLength(2)
})
