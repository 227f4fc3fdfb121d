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

/** Once a client is let in nothing needs its first request any more, headers and token. */
export const forgetHandshake = (socket: Socket): void => {
  Object.assign(socket, { handshake: FORGOTTEN })
  Object.assign(socket.conn, { request: undefined })
}
