import type { Socket } from "socket.io"
import { TokenBucket } from "#domain/limits.ts"
import { cutConnection } from "./cut-connection.ts"

/** Events beyond the limit are answered with `rate_limited`; a client that sends so many times more is cut. */
const HARDER = 4
const BURST_SECONDS = 3

export interface PacketLimitOptions {
  readonly eventsPerSecond: number
  readonly nowMs: () => number
  readonly exceeded: () => void
}

/**
 * Counts every packet of an engine connection before anything parses it, on each transport, CONNECT packets and acks
 * too. Room for a handshake, pongs and acks is in the burst.
 */
export const packetLimit = ({
  eventsPerSecond,
  exceeded,
  nowMs,
}: PacketLimitOptions): ((conn: Socket["conn"]) => void) => {
  if (eventsPerSecond === 0) return () => undefined
  const rate = eventsPerSecond * HARDER
  return (conn) => {
    const bucket = new TokenBucket(rate, rate * BURST_SECONDS, nowMs())
    conn.on("packet", () => {
      if (bucket.take(nowMs()) === 0) return
      exceeded()
      cutConnection(conn)
    })
  }
}
