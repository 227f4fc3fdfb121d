import type { Server, Socket } from "socket.io"
import { cutConnection } from "./cut-connection.ts"
import { OutgoingBuffer } from "./outgoing-buffer.ts"
import { type PacketLimitOptions, packetLimit } from "./packet-limit.ts"

type EngineConnection = Socket["conn"]

/** How long a client may take to answer a close before its connection is cut; up to twice that. */
const CLOSING_MS = 3_000

/**
 * The engine connections, those of clients that were not let in too: what they send is limited, what waits for them is
 * bounded, and what is closing ends, whoever closes it: Socket.IO and engine.io wait for a client that does not read.
 */
export class EngineConnections {
  private readonly buffers = new WeakMap<EngineConnection, OutgoingBuffer>()
  private readonly closing = new WeakSet<EngineConnection>()
  private readonly timer: NodeJS.Timeout
  private readonly engine: Server["engine"]

  constructor(engine: Server["engine"], options: PacketLimitOptions) {
    this.engine = engine
    const limit = packetLimit(options)
    engine.on("connection", (conn: EngineConnection) => limit(conn, this.bufferOf(conn)))
    this.timer = setInterval(() => this.cutClosing(), CLOSING_MS)
    this.timer.unref()
  }

  bufferOf(conn: EngineConnection): OutgoingBuffer {
    const known = this.buffers.get(conn)
    if (known !== undefined) return known
    const buffer = new OutgoingBuffer(conn)
    this.buffers.set(conn, buffer)
    return buffer
  }

  /** By the id of its Engine.IO session, which a stranger may have made up. */
  byId(id: string): EngineConnection | undefined {
    const clients = this.engine["clients"]
    return Object.hasOwn(clients, id) ? clients[id] : undefined
  }

  /** Cuts all of them. */
  end(): void {
    clearInterval(this.timer)
    for (const conn of this.all()) cutConnection(conn)
  }

  private all(): EngineConnection[] {
    return Object.values(this.engine["clients"])
  }

  private cutClosing(): void {
    for (const conn of this.all()) {
      if (conn.readyState !== "closing") continue
      if (this.closing.has(conn)) cutConnection(conn)
      else this.closing.add(conn)
    }
  }
}
