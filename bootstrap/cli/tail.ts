import { io as connect, type Socket } from "socket.io-client"
import type { Command } from "./command.ts"
import type { Flags } from "./flags.ts"
import { gatewayUrl } from "./gateway-flags.ts"
import { EXIT, type Io } from "./io.ts"

const help = `Usage: roomcast tail [room]… [flags]

Connects as a client, joins the rooms and prints each event as a line until it is stopped. Without a room: what comes to
the token's user and to everybody. It reconnects, and what it missed meanwhile comes where rooms keep history.

  --token <token>        the client's token (ROOMCAST_TOKEN); none: as an anonymous client
  --recent <number>      first the room's last messages, so many
  --count <number>       end after so many events
  --json                 one JSON object a line: { event, data, meta }
  --url <url>            the gateway (ROOMCAST_URL; else http://127.0.0.1:8137)

Examples:
  roomcast tail chat:1 --token "$(roomcast token --sub alice --rooms 'chat:*')"
  roomcast tail news:sport news:world --recent 10 --json | jq .data
  roomcast tail --token eyJ… --count 1

Exit codes: 0 stopped or counted to the end, 1 refused, 2 wrong usage.`

interface Ack {
  readonly ok: boolean
  readonly messages?: readonly {
    readonly event: string
    readonly data: unknown
    readonly room: string
    readonly ts: number
  }[]
  readonly error?: { readonly code: string; readonly message: string }
}

const JOIN_TIMEOUT_MS = 10_000

const isMeta = (value: unknown): value is { readonly room?: string; readonly ts?: number } =>
  typeof value === "object" && value !== null

const line = (event: string, data: unknown, meta: unknown, json: boolean): string => {
  if (json) return JSON.stringify({ event, data, meta })
  const { room, ts } = isMeta(meta) ? meta : {}
  const time = new Date(ts ?? Date.now()).toISOString().slice(11, 23)
  return [time, room, event, JSON.stringify(data)].filter((part) => part !== undefined).join("  ")
}

/** Events until the client is refused, stopped or has counted to the end. */
class Tail {
  private readonly socket: Socket
  private readonly rooms: readonly string[]
  private readonly recent: number | undefined
  private readonly json: boolean
  private readonly io: Io
  private left: number
  private joined = false
  private readonly end: (code: number) => void

  constructor(socket: Socket, flags: Flags, io: Io, end: (code: number) => void) {
    this.socket = socket
    this.rooms = flags.positionals
    this.recent = flags.count("recent")
    this.left = flags.count("count") ?? Number.POSITIVE_INFINITY
    this.json = flags.isOn("json")
    this.io = io
    this.end = end
  }

  listen(): void {
    const { socket, io } = this
    socket.on("connect", () => void this.join())
    socket.on("connect_error", (error: Error & { data?: { code?: string } }) => {
      const code = error.data?.code
      io.err(`roomcast tail: not connected: ${code === undefined ? "" : `${code}: `}${error.message}`)
      if (!socket.active) this.end(EXIT.failed)
    })
    socket.on("disconnect", (reason) => {
      if (reason === "io client disconnect") return
      io.err(`roomcast tail: disconnected: ${reason}`)
      if (!socket.active) this.end(EXIT.failed)
    })
    socket.onAny((event: string, data: unknown, meta: unknown) => {
      if (event === "session:closing" || event === "session:expiring")
        io.err(`roomcast tail: ${event} ${JSON.stringify(data)}`)
      else if (!event.startsWith("session:")) this.print(event, data, meta)
    })
  }

  private print(event: string, data: unknown, meta: unknown): void {
    if (this.left <= 0) return
    this.io.out(line(event, data, meta, this.json))
    if (--this.left === 0) this.end(EXIT.done)
  }

  /** A recovered session is in its rooms already: to join them again changes nothing. */
  private async join(): Promise<void> {
    const recent = this.joined ? undefined : this.recent
    for (const room of this.rooms) {
      let ack: Ack
      try {
        ack = await this.socket
          .timeout(JOIN_TIMEOUT_MS)
          .emitWithAck("room:join", { room, ...(recent !== undefined && { recent }) })
      } catch {
        if (this.socket.connected) this.socket.disconnect().connect()
        return
      }
      if (!ack.ok) {
        this.io.err(`roomcast tail: ${room}: ${ack.error?.code}: ${ack.error?.message}`)
        return this.end(EXIT.failed)
      }
      for (const { event, data, ...meta } of ack.messages ?? []) this.print(event, data, meta)
    }
    this.joined = true
    const where = this.rooms.length === 0 ? "" : `, in ${this.rooms.join(", ")}`
    this.io.err(`roomcast tail: connected${this.socket.recovered ? " again, nothing was missed" : ""}${where}`)
  }
}

const run = async (flags: Flags, io: Io): Promise<number> => {
  const { ROOMCAST_TOKEN } = io.env
  const token = flags.text("token") ?? ROOMCAST_TOKEN
  const url = gatewayUrl(flags, io.env)
  const socket = connect(url.origin, {
    autoConnect: false,
    auth: token === undefined || token === "" ? {} : { token },
  })
  const code = await new Promise<number>((resolve) => {
    new Tail(socket, flags, io, resolve).listen()
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(EXIT.done))
    socket.connect()
  })
  socket.disconnect()
  return code
}

export const tail: Command = {
  flags: {
    token: { type: "string" },
    recent: { type: "string" },
    count: { type: "string" },
    json: { type: "boolean" },
    url: { type: "string" },
  },
  help,
  run,
}
