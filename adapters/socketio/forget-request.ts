import type { Socket } from "socket.io"
import { tcpOf, websocketOf } from "./tcp-connection.ts"

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

const isOnce = (listener: unknown): listener is () => void => typeof listener === "function" && "listener" in listener

/**
 * Lets go of the request by which a WebSocket was opened: 3 kB for as long as it lives. engine.io keeps it in a stand-in
 * for a response, whose one listener tells middlewares, which we do not have, that the TCP connection ended.
 */
export const forgetUpgrade = ({ transport }: Socket["conn"]): void => {
  const tcp = tcpOf(websocketOf(transport))
  for (const listener of tcp?.rawListeners("close") ?? []) if (isOnce(listener)) tcp?.off("close", listener)
}

/** Once a client is let in nothing needs its first request any more, headers and token. */
export const forgetHandshake = (socket: Socket): void => {
  forgetUpgrade(socket.conn)
  Object.assign(socket, { handshake: FORGOTTEN })
  Object.assign(socket.conn, { request: undefined })
}
