import { Socket as Tcp } from "node:net"
import type { Socket } from "socket.io"
import { WebSocket } from "ws"

/** The WebSocket of an engine.io transport; undefined for polling. */
export const websocketOf = (transport: Socket["conn"]["transport"]): WebSocket | undefined => {
  const socket: unknown = Reflect.get(transport, "socket")
  return socket instanceof WebSocket ? socket : undefined
}

/** The TCP connection of a WebSocket, which `ws` has as a private member. */
export const tcpOf = (websocket: WebSocket | undefined): Tcp | undefined => {
  const tcp: unknown = websocket && Reflect.get(websocket, "_socket")
  return tcp instanceof Tcp ? tcp : undefined
}
