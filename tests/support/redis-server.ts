import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Redis } from "ioredis"
import { until } from "./until.ts"

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** A connection of the test's own. */
  readonly client: Redis
  /** Ends it and forgets what it kept. */
  readonly stop: () => Promise<void>
  readonly signal: (signal: NodeJS.Signals) => void
  /** After it was killed: starts it again on the same port and directory, and waits until it answers. */
  readonly restart: () => Promise<void>
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject(address)))
    })
  })

/** A `redis-server` of the test's own, on a free port or that one, that writes no file but where its arguments say so. */
export const startRedis = async (args: readonly string[] = ["--save", ""], at?: number): Promise<RedisServer> => {
  const port = at ?? (await freePort())
  const directory = mkdtempSync(join(tmpdir(), "roomcast-redis-"))
  const spawnServer = (): { readonly child: ChildProcess; readonly ended: Promise<void> } => {
    const child = spawn("redis-server", ["--bind", "127.0.0.1", "--port", `${port}`, "--dir", directory, ...args], {
      stdio: "ignore",
    })
    return { child, ended: new Promise((resolve) => child.once("exit", () => resolve())) }
  }
  let server = spawnServer()
  const client = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 50 })
  client.on("error", () => {})
  const answers = (): Promise<boolean> =>
    client.ping().then(
      () => true,
      () => false,
    )
  await until("redis-server to answer", answers)
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    client,
    signal: (signal) => void server.child.kill(signal),
    restart: async () => {
      await server.ended
      server = spawnServer()
      await until("redis-server to answer again", answers, 60_000)
    },
    stop: async () => {
      client.disconnect()
      server.child.kill("SIGKILL")
      await server.ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
