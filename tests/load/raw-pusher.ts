import { connect, type Socket } from "node:net"

const shared = Buffer.allocUnsafeSlow(65_536)

export interface RawPusherOptions {
  readonly port: number
  readonly apiKey: string
  readonly onAnswer: (pusher: RawPusher) => void
  readonly onError: (reason: string) => void
}

/** One keep-alive connection to `POST /v1/messages`, one request at a time, as cheap as Node allows. */
export class RawPusher {
  private answer = ""
  private request: Buffer = Buffer.alloc(0)
  private readonly socket: Socket
  private readonly options: RawPusherOptions

  constructor(options: RawPusherOptions) {
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
    this.socket.on("error", (error) => options.onError(error.message))
  }

  /** What `push` sends from now on. */
  prepare(body: string): void {
    const { apiKey, port } = this.options
    this.request = Buffer.from(
      [
        "POST /v1/messages HTTP/1.1",
        `Host: 127.0.0.1:${port}`,
        `Authorization: Bearer ${apiKey}`,
        "Content-Type: application/json",
        `Content-Length: ${Buffer.byteLength(body)}`,
        `\r\n${body}`,
      ].join("\r\n"),
    )
  }

  push(): void {
    this.socket.write(this.request)
  }

  close(): void {
    this.socket.destroy()
  }

  private read(length: number): void {
    this.answer += shared.toString("latin1", 0, length)
    const head = this.answer.indexOf("\r\n\r\n")
    if (head < 0) return
    const size = /\r\ncontent-length: (\d+)/i.exec(this.answer)?.[1]
    const whole =
      size === undefined ? this.answer.endsWith("\r\n0\r\n\r\n") : this.answer.length >= head + 4 + Number(size)
    if (!whole) return
    const ok = this.answer.startsWith("HTTP/1.1 2")
    if (!ok) this.options.onError(this.answer)
    this.answer = ""
    if (ok) this.options.onAnswer(this)
  }
}
