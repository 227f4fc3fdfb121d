import { createServer } from "node:http"
import { Server, type Socket } from "socket.io"
import { io } from "socket.io-client"
import { afterEach, describe, expect, it } from "vitest"
import { WebSocket, WebSocketServer } from "ws"
import { OutgoingBuffer } from "#adapters/socketio/outgoing-buffer.ts"
import { encodeOwn } from "#adapters/socketio/packet-encoder.ts"
import { BUFFER_AGE_MS } from "#domain/limits.ts"
import { until } from "#tests/support/until.ts"

const opened: (() => void)[] = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

const startServer = async () => {
  const http = createServer()
  const server = new Server(http, { wsEngine: WebSocketServer })
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  opened.push(() => void server.close())
  const address = http.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  const connected = new Promise<Socket>((resolve) => server.on("connection", resolve))
  return { port: address.port, connected }
}

/** A client that can stop reading, and what it read. */
const openRaw = async () => {
  const { connected, port } = await startServer()
  const ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`)
  opened.push(() => ws.terminate())
  const packets: string[] = []
  ws.on("message", (data) => void packets.push(String(data)))
  ws.on("open", () => ws.send("40"))
  const socket = await connected
  await until("CONNECT to be answered", () => packets.some((packet) => packet.startsWith("40")))
  return { socket, ws, events: () => packets.filter((packet) => packet.startsWith("42")) }
}

const PAD = "x".repeat(100_000)
const event = (n: number) => encodeOwn("event", { n, PAD }, undefined)

/** Writes until the kernel takes no more. */
const fill = (buffer: OutgoingBuffer): number => {
  let n = 0
  while (buffer.bytes < 10 * PAD.length && n < 1_000) buffer.write(event(n++))
  return n
}

describe("what waits to leave for a client", () => {
  for (const transport of ["websocket", "polling"] as const)
    it(`comes in the order written, Socket.IO's own packets between: ${transport}`, async () => {
      const { connected, port } = await startServer()
      const client = io(`http://127.0.0.1:${port}`, { transports: [transport] })
      opened.push(() => void client.disconnect())
      const received: number[] = []
      client.onAny((_, { n }: { n: number }) => received.push(n))
      const socket = await connected
      const buffer = new OutgoingBuffer(socket.conn)
      const sent = Array.from({ length: 200 }, (_, n) => n)
      for (const n of sent) {
        if (n % 3 === 0) socket.emit("own", { n })
        else buffer.write(encodeOwn("event", { n }, undefined))
        if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await until("everything to come", () => received.length === sent.length)
      expect(received).toEqual(sent)
    })

  it("is counted where the kernel and where engine.io hold it, and nothing is left once the client has read", async () => {
    const { events, socket, ws } = await openRaw()
    const buffer = new OutgoingBuffer(socket.conn)
    ws.pause()
    const written = fill(buffer)
    const inKernel = buffer.bytes
    expect(inKernel).toBeGreaterThanOrEqual(10 * PAD.length)
    for (let i = 0; i < 3; i++) socket.emit("own", PAD)
    buffer.write(event(written))
    expect(buffer.bytes - inKernel).toBeGreaterThanOrEqual(4 * PAD.length)
    let empty = 0
    buffer.whenEmpty(() => empty++)
    const cancel = buffer.whenEmpty(() => (empty += 100))
    cancel()
    expect(empty).toBe(0)
    ws.resume()
    await until("it to be empty", () => empty > 0)
    expect({ empty, bytes: buffer.bytes }).toEqual({ empty: 1, bytes: 0 })
    await until("the client to have everything", () => events().length === written + 4)
    const names = events().map((packet) => packet.slice(0, 9))
    expect(names.slice(-4)).toEqual(['42["own",', '42["own",', '42["own",', '42["event'])
  })

  it("calls back once the kernel has taken all of it", async () => {
    const { events, socket, ws } = await openRaw()
    const buffer = new OutgoingBuffer(socket.conn)
    let empty = 0
    buffer.whenEmpty(() => empty++)
    expect(empty).toBe(1)
    ws.pause()
    const written = fill(buffer)
    buffer.whenEmpty(() => empty++)
    expect(empty).toBe(1)
    ws.resume()
    await until("it to be empty", () => empty === 2)
    expect(buffer.bytes).toBe(0)
    await until("the client to have everything", () => events().length === written)
  })

  it("stalls where nothing of it is taken for the buffer's age, and not while something is", async () => {
    const { socket, ws } = await openRaw()
    const buffer = new OutgoingBuffer(socket.conn)
    expect(buffer.isStalled(1)).toBe(false)
    ws.pause()
    fill(buffer)
    expect(buffer.isStalled(1_000)).toBe(false)
    expect(buffer.isStalled(1_000 + BUFFER_AGE_MS)).toBe(false)
    expect(buffer.isStalled(1_001 + BUFFER_AGE_MS)).toBe(true)
    ws.resume()
    await until("some to be taken", () => buffer.bytes === 0)
    ws.pause()
    fill(buffer)
    expect(buffer.isStalled(1_002 + BUFFER_AGE_MS)).toBe(false)
  })

  it("is nothing once the connection is gone, and nobody waits for it", async () => {
    const { socket, ws } = await openRaw()
    const buffer = new OutgoingBuffer(socket.conn)
    ws.pause()
    fill(buffer)
    let resumed = false
    buffer.whenEmpty(() => (resumed = true))
    socket.conn.close(true)
    expect({ resumed, bytes: buffer.bytes }).toEqual({ resumed: true, bytes: 0 })
  })
})
