import type { Socket } from "socket.io"

const isTerminable = (value: unknown): value is { terminate: () => void } =>
  typeof value === "object" && value !== null && "terminate" in value && typeof value.terminate === "function"

/**
 * Ends an engine connection now, whatever its client does: the queue is dropped, and a WebSocket's TCP connection closed
 * with it. `close(true)` alone leaves the socket and the batch in flight until the close handshake times out.
 */
export const cutConnection = (conn: Socket["conn"]): void => {
  const socket: unknown = Reflect.get(conn.transport, "socket")
  conn.close(true)
  if (isTerminable(socket)) socket.terminate()
  // A polling client that is being closed and does not poll would be waited for, half a minute.
  if (conn.readyState !== "closed") conn["onClose"]("forced close")
}
