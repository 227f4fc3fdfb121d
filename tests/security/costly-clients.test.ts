import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, expect, it } from "vitest"
import { type Gateway, startGateway } from "#tests/support/gateway.ts"
import { type RawClient, rawUser } from "#tests/support/raw-client.ts"
import { until } from "#tests/support/until.ts"

const MiB = 1_048_576

let gateway: Gateway
/** Nobody counts its clients' events. */
let unlimited: Gateway
const raws: RawClient[] = []

beforeAll(async () => {
  gateway = await startGateway({ limits: { eventsPerSecond: 50 } })
  unlimited = await startGateway({ limits: { eventsPerSecond: 0 } })
  for (const { push } of [gateway, unlimited])
    for (let i = 0; i < 100; i++) await push({ rooms: ["open:large"] }, "large", "x".repeat(5_000))
})
afterEach(() => {
  for (const { ws } of raws.splice(0)) ws.terminate()
})
afterAll(async () => {
  await gateway.stop()
  await unlimited.stop()
})

/** A member of the room whose history fills a large answer. */
const member = async (of: Gateway, userId: string): Promise<RawClient> => {
  const client = await rawUser(of, userId)
  raws.push(client)
  client.send('420["room:join",{"room":"open:large"}]')
  await until("the join", () => client.packets.some((packet) => packet.startsWith("430[")))
  return client
}

const ASK = '["room:history",{"room":"open:large"}]'

it("large events that wait behind answers that nobody reads are refused before they weigh much", async () => {
  const client = await member(gateway, "heavy")
  const before = await gateway.memory()
  let most = before
  client.ws.pause()
  for (let i = 0; i < 10; i++) client.send(`421${ASK}`)
  const heavy = `["${"x".repeat(10)}",[${Array.from({ length: 70_000 }, () => "[]").join(",")}]]`
  for (let i = 0; i < 130 && !client.isGone(); i++) {
    client.send(`42${heavy}`)
    await sleep(20)
    if (i % 10 === 0) most = Math.max(most, await gateway.memory())
  }
  expect((most - before) / MiB).toBeLessThan(200)
})

it("a client that goes on asking and reads nothing is closed, and what was answered is not kept", async () => {
  const closed = () => unlimited.metric('roomcast_connections_closed_total{reason="slow_consumer"}')
  const before = await closed()
  const client = await member(unlimited, "deaf")
  client.ws.pause()
  for (let i = 0; i < 20; i++) client.send(`421${ASK}`)
  for (let i = 0; i < 100 && (await closed()) === before; i++) {
    for (let j = 0; j < 2_000; j++) client.send(`42${j}["x"]`)
    await sleep(20)
  }
  expect(await closed()).toBe(before + 1)
  client.ws.resume()
  await until("its end", client.isGone)
})

it("a client gets large answers at a measured pace, however fast it asks and reads", async () => {
  const client = await member(gateway, "hungry")
  const answers = () => client.packets.filter((packet) => packet.startsWith("431[")).length
  const began = performance.now()
  for (let i = 0; i < 30; i++) client.send(`421${ASK}`)
  await until("all answers", () => answers() === 30)
  const perSecond = (29 * 500_000) / ((performance.now() - began) / 1_000)
  expect(perSecond).toBeLessThan(6_000_000)
  client.send('422["room:leave",{"room":"open:large"}]')
  await until("what it does next", () => client.packets.some((packet) => packet.startsWith("432[")))
})

it("events of the most size, at the most rate, are all taken", async () => {
  const client = await rawUser(gateway, "busy")
  raws.push(client)
  const data = "x".repeat(102_398)
  for (let i = 0; i < 100; i++) client.send(`42${i}["x","${data}"]`)
  await until("all answers", () => client.packets.filter((packet) => packet.startsWith("43")).length === 100)
  expect(client.packets.filter((packet) => packet.includes("rate_limited"))).toEqual([])
})

it("a message larger than the buffer reaches a client that reads it slowly and says something meanwhile", async () => {
  const roomy = await startGateway({ limits: { payloadBytes: 10_000_000 } })
  try {
    const client = await rawUser(roomy, "patient")
    raws.push(client)
    client.send('421["room:join",{"room":"plain:roomy"}]')
    await until("the join", () => client.packets.some((packet) => packet.startsWith("431[")))
    client.ws.pause()
    expect((await roomy.push({ rooms: ["plain:roomy"] }, "huge", "x".repeat(9_000_000))).status).toBe(202)
    client.send("3")
    client.send('422["x"]')
    await sleep(300)
    client.ws.resume()
    await until("all of it", () => client.isGone() || client.packets.some((packet) => packet.startsWith('42["huge"')))
    await until("the answer", () => client.isGone() || client.packets.some((packet) => packet.startsWith("432[")))
    expect(client.isGone()).toBe(false)
  } finally {
    await roomy.stop()
  }
})
