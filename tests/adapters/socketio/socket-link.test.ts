import { createServer } from "node:http"
import * as Effect from "effect/Effect"
import { Server, type Socket } from "socket.io"
import { io } from "socket.io-client"
import { afterEach, expect, it } from "vitest"
import { OutgoingBuffer } from "#adapters/socketio/outgoing-buffer.ts"
import { PacketEncoder } from "#adapters/socketio/packet-encoder.ts"
import { SocketLink } from "#adapters/socketio/socket-link.ts"
import type { Outgoing } from "#application/ports/link.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { until } from "#tests/support/until.ts"

const opened: (() => void)[] = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

const MESSAGE: Outgoing = { event: "e", data: "1", meta: "{}", position: undefined, volatile: false }

const broken = (): never => {
  throw new Error("broken")
}

/** A link whose every packet fails to be made, and its stock client. */
const openBroken = async (isStalled = false) => {
  const http = createServer()
  const server = new Server(http)
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  const address = http.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  const connected = new Promise<Socket>((resolve) => server.on("connection", resolve))
  const client = io(`http://127.0.0.1:${address.port}`, { transports: ["websocket"], reconnection: false })
  opened.push(
    () => void client.disconnect(),
    () => void server.close(),
  )
  const failures: unknown[] = []
  const socket = await connected
  const hits: string[] = []
  const buffer = Object.assign(new OutgoingBuffer(socket.conn), isStalled ? { isStalled: () => true } : {})
  const link = new SocketLink(socket, true, buffer, {
    encoder: Object.assign(new PacketEncoder(), { encode: broken }),
    bufferBytes: 0,
    largestMessage: 0,
    limitHit: (limit) => hits.push(limit),
    failed: (connectionId, error) => failures.push([connectionId, error]),
  })
  return { client, failures, hits, link, socket }
}

const told = (id: string) => [[id, new Error("broken")]]

it("a send that fails closes its own connection, is told once, and does not throw: the room's other members are next", async () => {
  const { client, failures, link, socket } = await openBroken()
  link.send(MESSAGE)
  link.send(MESSAGE)
  expect(failures).toEqual(told(socket.id))
  expect(link.closing).toBe(CLOSINGS.failed)
  await until("the client to be gone", () => client.disconnected)
})

it("an event of the gateway's own that cannot be written closes its connection, and does not throw", async () => {
  const { client, failures, link } = await openBroken()
  link.emit("session:position", { toJSON: broken })
  expect(failures).toHaveLength(1)
  await until("the client to be gone", () => client.disconnected)
})

it("a question that cannot be asked has no answer, and closes its connection", async () => {
  const { client, failures, link, socket } = await openBroken()
  Object.assign(socket, { emit: broken })
  expect(await Effect.runPromise(link.ask(MESSAGE, 1_000))).toBeUndefined()
  expect(failures).toEqual(told(socket.id))
  await until("the client to be gone", () => client.disconnected)
})

it("a close that fails cuts the connection all the same, for the reason that it had", async () => {
  const { client, failures, link, socket } = await openBroken()
  Object.assign(socket, { disconnect: broken })
  expect(link.close(CLOSINGS.revoked)).toBe(true)
  expect(failures).toEqual(told(socket.id))
  expect(link.closing).toBe(CLOSINGS.revoked)
  await until("the client to be gone", () => client.disconnected)
})

it("a client that has taken nothing for too long is cut as a slow consumer, which is counted, once", async () => {
  const { client, hits, link } = await openBroken(true)
  link.tend(1)
  link.tend(2)
  expect([link.closing, hits]).toEqual([CLOSINGS.slowConsumer, ["buffer_age"]])
  await until("the client to be gone", () => client.disconnected)
})
