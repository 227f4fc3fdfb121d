import type { Duplex } from "node:stream"
import type { Socket } from "socket.io"

const FORGOTTEN: Socket["handshake"] = {
  headers: {},
  time: "",
  address: "",
  xdomain: false,
  secure: false,
  issued: 0,
  url: "",
  query: {},
  auth: {},
}

/** Put on by `once`. */
const isOnce = (listener: unknown): listener is () => void => typeof listener === "function" && "listener" in listener

/**
 * Runs what engine.io does at an upgrade. It begins with a stand-in for a response, which one listener on the TCP
 * connection keeps, and with it the request, for as long as the connection lives: 3 kB to tell middlewares, which we do
 * not have, that it ended.
 */
export const withoutResponse = (tcp: Duplex, upgrade: () => void): void => {
  const before = new Set<unknown>(tcp.rawListeners("close"))
  upgrade()
  for (const listener of tcp.rawListeners("close"))
    if (!before.has(listener) && isOnce(listener)) tcp.removeListener("close", listener)
}

/** Once a client is let in nothing needs its first request any more, headers and token. */
export const forgetHandshake = (socket: Socket): void => {
  Object.assign(socket, { handshake: FORGOTTEN })
  Object.assign(socket.conn, { request: undefined })
}
