import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { ConfigInput } from "#bootstrap/config-schema.ts"
import { freePort } from "#tests/support/free-port.ts"
import { API_KEY, JWT_SECRET } from "#tests/support/gateway.ts"
import { listening, type Measured, run } from "./processes.ts"
import { EVENT } from "./raw-connection.ts"

export const GATEWAY = "roomcast"
export const PEER = "socket.io"
export const BARE = "bare ws"

export interface Server {
  readonly name: string
  readonly port: number
  readonly process: Measured
}

/** As in production, with every guard that a connection passes; only what counts connects is off: they come at once. */
const CONFIG: ConfigInput = {
  jwt: { secret: JWT_SECRET },
  apiKey: API_KEY,
  rooms: [
    { match: "plain:*", join: "anyone" },
    { match: "logged:*", join: "anyone", history: { size: 1_000, ttl: "1h" } },
  ],
  log: { level: "warning", format: "json" },
  limits: { connectsPerSecondPerAddress: 0 },
  drain: { time: "1s" },
}

export const PLAIN_ROOM = "plain:bench"
export const LOGGED_ROOM = "logged:bench"

const at = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

type Start = (port: number, nodeFlags: readonly string[]) => Promise<Measured>

const startWith =
  (change: ConfigInput): Start =>
  async (port, nodeFlags) => {
    const directory = mkdtempSync(join(tmpdir(), "roomcast-bench-"))
    const file = join(directory, "config.json")
    writeFileSync(file, JSON.stringify({ ...CONFIG, ...change, port, host: "127.0.0.1" }))
    try {
      const gateway = run("server", at("../../bootstrap/main.ts"), ["serve", "--config", file], nodeFlags)
      await listening(port, gateway)
      return gateway
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

const startOther =
  (file: string): Start =>
  async (port, nodeFlags) => {
    const server = run("server", at(file), [String(port)], nodeFlags)
    await listening(port, server)
    return server
  }

const START: Readonly<Record<string, Start>> = {
  [GATEWAY]: startWith({}),
  [PEER]: startOther("plain-socketio.ts"),
  [BARE]: startOther("bare-websocket.ts"),
}

/** One server on the servers' core; the caller stops it. */
export const startServer = async (name: string, nodeFlags: readonly string[] = []): Promise<Server> => {
  const port = await freePort()
  const start = START[name]
  if (start === undefined) throw new Error(`no server is called ${name}`)
  return { name, port, process: await start(port, nodeFlags) }
}

/** One node of a cluster; the caller stops it. */
export const startNode = async (url: string, prefix: string): Promise<Server> => {
  const port = await freePort()
  const start = startWith({ engine: "redis", redis: { url, prefix } })
  return { name: GATEWAY, port, process: await start(port, []) }
}

export const startClient = (): Measured => run("client", at("load-client.ts"))

/** The body of a push whose `data` is JSON of so many bytes. */
export const pushBody = (room: string, dataBytes: number): string =>
  JSON.stringify({
    to: { rooms: [room] },
    event: EVENT,
    data: { text: "x".repeat(dataBytes - '{"text":""}'.length) },
  })
