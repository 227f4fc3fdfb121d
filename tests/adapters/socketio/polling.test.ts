import { createServer, type Server as HttpServer } from "node:http"
import { connect } from "node:net"
import { Server, type Socket } from "socket.io"
import { afterEach, expect, it } from "vitest"
import { cutConnection } from "#adapters/socketio/cut-connection.ts"
import { OutgoingBuffer } from "#adapters/socketio/outgoing-buffer.ts"
import { BUFFER_AGE_MS } from "#domain/limits.ts"
import { until } from "#tests/support/until.ts"

const opened: (() => void)[] = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

const portOf = (http: HttpServer): number => {
  const address = http.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}

/** A client that is in, polls by hand, and does not poll now. */
const openPoller = async () => {
  const http = createServer()
  const server = new Server(http, { httpCompression: false })
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  opened.push(() => void server.close())
  const connected = new Promise<Socket>((resolve) => server.on("connection", resolve))
  const base = `http://127.0.0.1:${portOf(http)}/socket.io/?EIO=4&transport=polling`
  const { sid } = JSON.parse((await (await fetch(base)).text()).slice(1)) as { sid: string }
  await fetch(`${base}&sid=${sid}`, { method: "POST", body: "40" })
  const socket = await connected
  await (await fetch(`${base}&sid=${sid}`)).text()
  const buffer = new OutgoingBuffer(socket.conn)
  http.prependListener("request", (request, response) => buffer.poll(request, response))
  const poll = () => {
    const tcp = connect(portOf(http), "127.0.0.1")
    opened.push(() => tcp.destroy())
    tcp.write(`GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`)
    return tcp.pause()
  }
  return { buffer, socket, poll }
}

/** More than the kernel takes for one TCP connection that nobody reads. */
const LARGE = "x".repeat(16_000_000)

it("an answer to a poll waits until its client has read all of it, and whoever waits is called then", async () => {
  const { buffer, poll, socket } = await openPoller()
  socket.emit("large", LARGE)
  let empty = 0
  buffer.whenEmpty(() => empty++)
  const tcp = poll()
  await until("it to be answered", () => socket.conn["writeBuffer"].length === 0)
  expect(buffer.bytes).toBeGreaterThan(LARGE.length)
  expect(buffer.isStalled(1_000)).toBe(false)
  expect(buffer.isStalled(1_001 + BUFFER_AGE_MS)).toBe(true)
  expect(empty).toBe(0)
  tcp.resume()
  await until("it to be read", () => empty === 1)
  expect(buffer.bytes).toBe(0)
})

it("answers that are not read count together, each on a TCP connection of its own", async () => {
  const { buffer, poll, socket } = await openPoller()
  for (let i = 1; i <= 3; i++) {
    socket.emit("large", LARGE)
    poll()
    await until("it to be answered", () => socket.conn["writeBuffer"].length === 0)
    expect(buffer.bytes).toBeGreaterThan(i * LARGE.length)
  }
})

it("a polling client that is being closed and does not poll is gone with the cut, not half a minute later", async () => {
  const { socket } = await openPoller()
  let reason: string | undefined
  socket.conn.on("close", (why: string) => (reason = why))
  socket.conn.close()
  expect(socket.conn.readyState).toBe("closing")
  cutConnection(socket.conn)
  expect({ state: socket.conn.readyState, reason }).toEqual({ state: "closed", reason: "forced close" })
})
