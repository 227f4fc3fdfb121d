import { type ChildProcess, spawn } from "node:child_process"
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
  readonly port: number
  /** Where its files are, if it writes any. */
  readonly directory: string
  /** Kills it and starts it on the same port and directory; `meanwhile` is done while it is down. */
  readonly restart: (meanwhile?: () => void) => Promise<void>
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

/** Done when it is gone. */
const kill = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  child.kill("SIGKILL")
  await ended
}

/** A `redis-server` of the test's own, on a free port, that writes no file but where its arguments say so. */
export const startRedis = async (args: readonly string[] = ["--save", ""]): Promise<RedisServer> => {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), "roomcast-redis-"))
  const start = (): ChildProcess =>
    spawn("redis-server", ["--bind", "127.0.0.1", "--port", `${port}`, "--dir", directory, ...args], {
      stdio: "ignore",
    })
  let child = start()
  const client = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 50 })
  client.on("error", () => {})
  const answers = async (): Promise<void> => {
    let ready = false
    client.ping().then(
      () => {
        ready = true
      },
      () => {},
    )
    await until("redis-server to answer", () => ready)
  }
  await answers()
  return {
    url: `redis://127.0.0.1:${port}`,
    client,
    port,
    directory,
    signal: (signal) => void child.kill(signal),
    restart: async (meanwhile) => {
      await kill(child)
      meanwhile?.()
      child = start()
      await answers()
    },
    stop: async () => {
      client.disconnect()
      await kill(child)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
