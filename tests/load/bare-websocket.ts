import { createServer } from "node:http"
import type { Socket } from "node:net"
import { text } from "node:stream/consumers"
import { type WebSocket, WebSocketServer } from "ws"

/**
 * The least that a server in JavaScript can do for a fan-out: one frame, built once, and one write to each socket. It
 * shows what of a delivery is the kernel's, and how much the load client can take. Speaks just enough of Engine.IO for
 * the load client; every client is in every room.
 */
const sockets = new Set<Socket>()

const frameOf = (payload: string): Buffer => {
  const body = Buffer.from(payload)
  const header = Buffer.from([0x81, 126, body.length >> 8, body.length & 255])
  return Buffer.concat([header, body])
}

const server = createServer(async (request, response) => {
  if (request.method === "POST") {
    const { event, data } = JSON.parse(await text(request))
    const frame = frameOf(`42${JSON.stringify([event, data])}`)
    for (const socket of sockets) socket.write(frame)
  }
  response.writeHead(200, { "content-length": 2 }).end("{}")
})

const accept = (socket: WebSocket, raw: Socket): void => {
  raw.setNoDelay(true)
  socket.send('0{"sid":"x"}')
  socket.on("message", (message) => {
    const packet = String(message)
    if (packet.startsWith("40")) socket.send('40{"sid":"x"}')
    if (packet.startsWith("420")) {
      sockets.add(raw)
      socket.send("430[{}]")
    }
  })
  socket.once("close", () => sockets.delete(raw))
}

const websockets = new WebSocketServer({ noServer: true })
server.on("upgrade", (request, raw, head) => {
  websockets.handleUpgrade(request, raw, head, (socket) => accept(socket, request.socket))
})
server.listen(Number(process.argv[2]), "127.0.0.1")
