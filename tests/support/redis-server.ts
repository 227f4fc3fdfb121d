import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Redis } from "ioredis"
import { until } from "./until.ts"

export interface RedisServer {
  readonly url: string
  /** A connection of the test's own. */
  readonly client: Redis
  /** Ends it and forgets what it kept. */
  readonly stop: () => Promise<void>
  readonly signal: (signal: NodeJS.Signals) => void
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
  const child = spawn("redis-server", ["--bind", "127.0.0.1", "--port", `${port}`, "--dir", directory, ...args], {
    stdio: "ignore",
  })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const client = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 50 })
  client.on("error", () => {})
  let ready = false
  client.ping().then(
    () => {
      ready = true
    },
    () => {},
  )
  await until("redis-server to answer", () => ready)
  return {
    url: `redis://127.0.0.1:${port}`,
    client,
    signal: (signal) => void child.kill(signal),
    stop: async () => {
      client.disconnect()
      child.kill("SIGKILL")
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
