import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { Server } from "socket.io"
import { WebSocketServer } from "ws"

/**
 * What the gateway is compared with: `socket.io` as its documentation has it, without tokens, limits or history, and an
 * HTTP endpoint that emits what it is given. The same version of `ws` as in the gateway.
 */
const server = createServer(async (request, response) => {
  if (request.method !== "POST") {
    response.writeHead(200).end("ok")
    return
  }
  const { to, event, data } = JSON.parse(await text(request))
  io.to(to.rooms).emit(event, data)
  const body = JSON.stringify({ id: String(++messages) })
  response.writeHead(202, { "content-type": "application/json", "content-length": body.length }).end(body)
})
let messages = 0
const io = new Server(server, { wsEngine: WebSocketServer, serveClient: false })
io.on("connection", (socket) => {
  socket.on("room:join", async ({ room }, ack) => {
    await socket.join(room)
    ack({ ok: true, room })
  })
})
server.listen(Number(process.argv[2]), "127.0.0.1")
