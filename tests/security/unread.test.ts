import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { type RawClient, rawClient, rawUser } from "#tests/support/raw-client.ts"
import { until } from "#tests/support/until.ts"

const MiB = 1_048_576
const BUFFER = 8 * MiB

let gateway: Gateway
const raws: RawClient[] = []
const sockets: Socket[] = []

beforeAll(async () => {
  gateway = await startGateway({ limits: { bufferBytes: BUFFER, eventsPerSecond: 50 } })
})
afterEach(() => {
  for (const { ws } of raws.splice(0)) ws.terminate()
  for (const socket of sockets.splice(0)) socket.destroy()
})
afterAll(() => gateway.stop())

const closedAs = (reason: string) => gateway.metric(`roomcast_connections_closed_total{reason="${reason}"}`)
const limitHits = (limit: string) => gateway.metric(`roomcast_limit_hits_total{limit="${limit}"}`)

/** An Engine.IO session over polling, by hand. */
const poller = async () => {
  const base = `${gateway.url}/socket.io/?EIO=4&transport=polling`
  const { sid } = JSON.parse((await (await fetch(base)).text()).slice(1)) as { sid: string }
  const url = `${base}&sid=${sid}`
  const { host, hostname, pathname, port, search } = new URL(url)
  return {
    sid,
    url,
    post: (body: string) => fetch(url, { method: "POST", body }).then((response) => response.text()),
    get: () => fetch(url).then((response) => response.text()),
    /** A poll on a TCP connection of its own, whose answer is never read. */
    pollUnread: (): Promise<Socket> =>
      new Promise((resolve) => {
        const socket = connect(Number(port), hostname)
        sockets.push(socket)
        socket.on("error", () => undefined)
        socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, () => resolve(socket))
        socket.pause()
      }),
  }
}

const inRoom = async (userId: string, room: string) => {
  const client = await poller()
  await client.post(`40${JSON.stringify({ token: await token(userId) })}`)
  await client.get()
  await client.post(`421["room:join",{"room":"${room}"}]`)
  const got = [await client.get()]
  while (!got.join().includes("431[")) got.push(await client.get())
  return client
}

const PAD = "x".repeat(95_000)
const ANSWER = 6 * MiB
const fill = async (room: string): Promise<void> => {
  for (let bytes = 0; bytes < ANSWER; bytes += PAD.length) await gateway.push({ rooms: [room] }, "fill", PAD)
}

describe("answers to polls that nobody reads", () => {
  it("count, each on a TCP connection of its own: the client that polls on and on is a slow consumer", async () => {
    const client = await inRoom("unread", "plain:unread")
    const before = await closedAs("slow_consumer")
    const hits = await limitHits("buffer_bytes")
    const polls: Socket[] = []
    for (let i = 0; i < 4 && (await closedAs("slow_consumer")) === before; i++) {
      await fill("plain:unread")
      polls.push(await client.pollUnread())
      await sleep(100)
    }
    expect(polls.length).toBeLessThan(4)
    expect(await closedAs("slow_consumer")).toBe(before + 1)
    expect(await limitHits("buffer_bytes")).toBeGreaterThan(hits)
    // What it was answered is not kept for it, either.
    const metric = () => gateway.metric("roomcast_outgoing_buffer_bytes")
    await until("nothing to wait", async () => (await metric()) === 0)
    let ended = 0
    for (const poll of polls) poll.on("close", () => ended++).resume()
    await until("its TCP connections to end", () => ended === polls.length)
  })

  it("count no more once they are read", async () => {
    const client = await inRoom("reader", "plain:reader")
    const before = await closedAs("slow_consumer")
    for (let i = 0; i < 3; i++) {
      await fill("plain:reader")
      const poll = await client.pollUnread()
      await sleep(50)
      expect(await gateway.metric("roomcast_outgoing_buffer_bytes")).toBeGreaterThan(ANSWER / 2)
      poll.resume()
      await until("it to be read", async () => (await gateway.metric("roomcast_outgoing_buffer_bytes")) === 0)
    }
    expect(await closedAs("slow_consumer")).toBe(before)
  })
})

describe("a stranger without a token", () => {
  it("that joins namespaces with long names and reads no refusal is cut before they weigh much", async () => {
    const client = await rawClient(gateway, { reads: false })
    raws.push(client)
    const hits = await limitHits("buffer_bytes")
    const name = `/${"n".repeat(200_000)}`
    for (let i = 0; i < 100 && (await limitHits("buffer_bytes")) === hits; i++) client.send(`40${name},`)
    expect(await limitHits("buffer_bytes")).toBe(hits + 1)
    client.ws.resume()
    await until("it to be gone", client.isGone)
  })

  it("that sends one probe of an upgrade after the other is cut", async () => {
    const client = await poller()
    const hits = await limitHits("packets_per_second")
    const ws = new WebSocket(`${client.url.replace("http", "ws").replace("=polling", "=websocket")}`)
    let gone = false
    ws.on("close", () => (gone = true))
    ws.on("error", () => undefined)
    await until("the upgrade to begin", () => ws.readyState === WebSocket.OPEN)
    for (let i = 0; i < 5_000 && !gone; i++) ws.send("2probe")
    await until("it to be gone", () => gone)
    expect(await limitHits("packets_per_second")).toBe(hits + 1)
    expect((await fetch(client.url)).status).toBe(400)
  })
})

it("a client that leaves the namespace while it does not read is not waited for: what waits for it is gone", async () => {
  const client = await rawUser(gateway, "stuck")
  raws.push(client)
  client.send(`421["room:join",{"room":"plain:stuck"}]`)
  await until("the join", () => client.packets.some((packet) => packet.startsWith("431[")))
  client.ws.pause()
  await fill("plain:stuck")
  for (let i = 0; i < 3; i++) client.send(`42${i}["x"]`)
  client.send("41")
  await sleep(8_000)
  client.ws.resume()
  await until("its end", client.isGone)
  expect(client.packets.filter((packet) => packet.startsWith('42["fill')).length).toBeLessThan(ANSWER / PAD.length)
})
