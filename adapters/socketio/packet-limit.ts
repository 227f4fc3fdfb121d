import type { Socket } from "socket.io"
import { TokenBucket } from "#domain/limits.ts"
import { cutConnection } from "./cut-connection.ts"
import type { OutgoingBuffer } from "./outgoing-buffer.ts"

/** Events beyond the limit are answered with `rate_limited`; a client that sends so many times more is cut. */
const HARDER = 4
const BURST_SECONDS = 3
/** A packet counts by its size too, as what it takes to parse it does; events of the most size and rate still pass. */
const PART_OF_PAYLOAD = 0.3

export interface PacketLimitOptions {
  /** 0: no limit */
  readonly eventsPerSecond: number
  /** 0: no limit */
  readonly payloadBytes: number
  readonly nowMs: () => number
  readonly limitHit: (limit: string) => void
}

const sizeOf = (data: unknown): number =>
  typeof data === "string" ? data.length : data instanceof Uint8Array ? data.byteLength : 0

/**
 * Counts every packet of an engine connection before anything parses it, on each transport, CONNECT packets and acks
 * too, and the probes of an upgrade, which engine.io answers apart. Room for a handshake, pongs and acks is in the burst.
 */
export const packetLimit = ({
  eventsPerSecond,
  limitHit,
  nowMs,
  payloadBytes,
}: PacketLimitOptions): ((conn: Socket["conn"], buffer: OutgoingBuffer) => void) => {
  const rate = eventsPerSecond * HARDER
  const bytesForOne = payloadBytes === 0 ? Number.POSITIVE_INFINITY : payloadBytes * PART_OF_PAYLOAD
  return (conn, buffer) => {
    const bucket = rate === 0 ? undefined : new TokenBucket(rate, rate * BURST_SECONDS, nowMs())
    const take = ({ data }: { readonly data?: unknown }): void => {
      if (bucket !== undefined && bucket.take(nowMs(), Math.max(1, sizeOf(data) / bytesForOne)) > 0) {
        limitHit("packets_per_second")
        cutConnection(conn)
      } else if (!buffer.admits()) limitHit("buffer_bytes")
    }
    conn.on("packet", take)
    if (conn.transport.name === "polling") conn.on("upgrading", () => take({}))
  }
}
