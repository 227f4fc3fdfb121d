import { connect, type Socket } from "node:net"

/** Reads land here and are looked at before the next one: no allocation for a delivery. */
const shared = Buffer.allocUnsafeSlow(262_144)

const TEXT = 0x81
const MASKED = 0x80
const DIGIT_2 = 0x32
const MESSAGE = 0x34

/** A client's frame, masked with the key zero, which leaves its payload as it is (RFC 6455, section 5.3). */
const clientFrame = (payload: string): Buffer => {
  const body = Buffer.from(payload)
  const header =
    body.length < 126
      ? [TEXT, MASKED | body.length, 0, 0, 0, 0]
      : [TEXT, MASKED | 126, body.length >> 8, body.length & 255, 0, 0, 0, 0]
  return Buffer.concat([Buffer.from(header), body])
}

const PONG = clientFrame("3")

const upgrade = (port: number): string =>
  [
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "\r\n",
  ].join("\r\n")

/** The event that is counted; the gateway's own begin with another letter. */
export const EVENT = "bench"
const EVENT_LETTER = EVENT.charCodeAt(0)
const EVENT_AT = '42["'.length

export interface RawConnectionOptions {
  readonly port: number
  readonly token: string
  readonly onMessage: (connection: RawConnection, frameBytes: number) => void
  readonly onEnd: (reason: string) => void
}

/**
 * A Socket.IO client over WebSocket that costs as little as Node allows: it finds where frames end and counts them,
 * answers pings, and decodes nothing else once it is connected.
 */
export class RawConnection {
  /** Messages that it was sent. */
  messages = 0
  private upgraded = false
  private rest: Buffer | undefined
  private ended = false
  private readonly socket: Socket
  private readonly options: RawConnectionOptions
  private readonly connected = Promise.withResolvers<void>()
  private joined: PromiseWithResolvers<void> | undefined

  constructor(options: RawConnectionOptions) {
    this.options = options
    this.socket = connect({
      host: "127.0.0.1",
      port: options.port,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (length) => {
          this.read(length)
          return true
        },
      },
    })
    this.socket.write(upgrade(options.port))
    this.socket.on("error", (error) => this.end(error.message))
    this.socket.on("close", () => this.end("the server closed it"))
  }

  /** Done when the server has answered CONNECT. */
  get open(): Promise<void> {
    return this.connected.promise
  }

  join(room: string): Promise<void> {
    this.joined = Promise.withResolvers()
    this.socket.write(clientFrame(`420${JSON.stringify(["room:join", { room }])}`))
    return this.joined.promise
  }

  close(): void {
    this.ended = true
    this.socket.destroy()
  }

  private end(reason: string): void {
    if (this.ended) return
    this.ended = true
    this.connected.reject(new Error(reason))
    this.joined?.reject(new Error(reason))
    this.socket.destroy()
    this.options.onEnd(reason)
  }

  private read(length: number): void {
    let bytes = shared
    let end = length
    if (this.rest !== undefined) {
      bytes = Buffer.concat([this.rest, shared.subarray(0, length)])
      end = bytes.length
      this.rest = undefined
    }
    let at = this.upgraded ? 0 : this.takeUpgrade(bytes.subarray(0, end))
    while (at + 4 <= end || (at + 2 <= end && (bytes[at + 1] ?? 0) < 126)) {
      const short = bytes[at + 1] ?? 0
      const header = short < 126 ? 2 : 4
      const next = at + header + (short < 126 ? short : bytes.readUInt16BE(at + 2))
      if (short > 126) {
        this.end("a frame of more than 65,535 bytes")
        return
      }
      if (next > end) break
      this.take(bytes, at, at + header, next)
      at = next
    }
    if (at < end) this.rest = Buffer.from(bytes.subarray(at, end))
  }

  /** Where the frames begin. */
  private takeUpgrade(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n\r\n")
    if (end < 0) return 0
    const status = bytes.toString("latin1", 0, bytes.indexOf("\r\n"))
    if (!status.includes("101")) this.end(status)
    this.upgraded = true
    return end + 4
  }

  private take(bytes: Buffer, frame: number, from: number, to: number): void {
    if (bytes[from] === MESSAGE && bytes[from + 1] === DIGIT_2 && bytes[from + EVENT_AT] === EVENT_LETTER) {
      this.messages++
      this.options.onMessage(this, to - frame)
      return
    }
    const packet = bytes.toString("latin1", from, to)
    if (packet === "2") this.socket.write(PONG)
    else if (packet.startsWith("0"))
      this.socket.write(clientFrame(`40${JSON.stringify({ token: this.options.token })}`))
    else if (packet.startsWith("40")) this.connected.resolve()
    else if (packet.startsWith("43")) {
      if (packet.includes('"ok":false')) this.end(packet)
      this.joined?.resolve()
    } else if (packet.startsWith("44") || packet.startsWith("41") || packet.includes("session:closing"))
      this.end(packet)
  }
}
