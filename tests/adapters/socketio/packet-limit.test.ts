import { createServer } from "node:http"
import { Server, type Socket } from "socket.io"
import { afterEach, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { OutgoingBuffer } from "#adapters/socketio/outgoing-buffer.ts"
import { packetLimit } from "#adapters/socketio/packet-limit.ts"
import { until } from "#tests/support/until.ts"

const opened: (() => void)[] = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

const PAYLOAD = 1_000

/** A client whose packets are limited while no time passes: 600 small ones. */
const openLimited = async () => {
  const http = createServer()
  const server = new Server(http)
  const hits: string[] = []
  const limit = packetLimit({
    eventsPerSecond: 50,
    payloadBytes: PAYLOAD,
    nowMs: () => 0,
    limitHit: (name) => hits.push(name),
  })
  /** After CONNECT, the packet that is cut with among them. */
  let seen = -1
  server.engine.on("connection", (conn: Socket["conn"]) => {
    limit(conn, new OutgoingBuffer(conn))
    conn.on("data", () => seen++)
  })
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  const address = http.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  const ws = new WebSocket(`ws://127.0.0.1:${address.port}/socket.io/?EIO=4&transport=websocket`)
  opened.push(
    () => ws.terminate(),
    () => void server.close(),
  )
  let gone = false
  ws.on("close", () => (gone = true))
  let joined = false
  ws.on("message", (data) => (joined ||= String(data).startsWith("40")))
  await new Promise((resolve) => ws.once("open", resolve))
  const send = (times: number, packet: string): void => {
    for (let i = 0; i < times; i++) ws.send(packet)
  }
  send(1, "40")
  await until("CONNECT to be answered", () => joined)
  return { hits, send, isGone: () => gone, seen: () => seen }
}

/** An ack that nobody asked for, of so many bytes. */
const packet = (bytes: number): string => `439["${"x".repeat(bytes)}"]`

describe("the packets of one connection", () => {
  it("are counted before anything parses them, and the connection is cut with the first beyond the limit", async () => {
    const { hits, isGone, seen, send } = await openLimited()
    send(5_000, packet(1))
    await until("it to be gone", isGone)
    expect({ seen: seen(), hits }).toEqual({ seen: 600, hits: ["packets_per_second"] })
  })

  it("count by their size too: large ones, which take long to parse, are fewer", async () => {
    const { hits, isGone, seen, send } = await openLimited()
    send(5_000, packet(2 * PAYLOAD))
    await until("it to be gone", isGone)
    expect(seen()).toBeLessThan(600 / 6)
    expect(hits).toEqual(["packets_per_second"])
  })

  it("of the most size pass at the most rate, and twice that", async () => {
    const { hits, isGone, seen, send } = await openLimited()
    send(150, packet(PAYLOAD))
    await until("all of them", () => seen() === 150)
    expect({ gone: isGone(), hits }).toEqual({ gone: false, hits: [] })
  })
})
