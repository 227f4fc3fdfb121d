import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ConnectionOptions } from "node:tls"
import { type CommonRedisOptions, Redis } from "ioredis"
import { freePort } from "./free-port.ts"
import { until } from "./until.ts"

export interface RedisProcess {
  readonly port: number
  /** Where it keeps its files. */
  readonly directory: string
  /** A connection of the test's own, which comes back by itself. */
  readonly client: Redis
  readonly signal: (signal: NodeJS.Signals) => void
  /** Ends it as a crash would; what it wrote stays. */
  readonly kill: () => Promise<void>
  /** Ends it, if it has not ended, and begins again on the same port; `meanwhile` is done while it is down. */
  readonly restart: (meanwhile?: () => void) => Promise<void>
  /** Ends it and forgets what it kept. */
  readonly stop: () => Promise<void>
}

interface Start {
  readonly args: (port: number, directory: string) => readonly string[] | Promise<readonly string[]>
  readonly connect?: Pick<CommonRedisOptions, "password"> & { readonly tls?: ConnectionOptions }
}

/** One `redis-server` of the test's own, on a free port and in a directory of its own. */
export const startProcess = async ({ args, connect = {} }: Start): Promise<RedisProcess> => {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), "roomcast-redis-"))
  let child: ChildProcess
  let ended: Promise<void>
  const client = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 50, commandTimeout: 3_000, ...connect })
  client.on("error", () => {})
  const given = await args(port, directory)
  const start = async () => {
    const started = spawn("redis-server", given, { stdio: "ignore" })
    child = started
    ended = new Promise((resolve) => started.once("exit", () => resolve()))
    const answers = () => {
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}: ${given.join(" ")}`)
      return client.ping().then(
        () => true,
        () => false,
      )
    }
    await until("redis-server to answer", answers, 60_000)
  }
  const kill = async () => {
    child.kill("SIGKILL")
    await ended
  }
  const stop = async () => {
    client.disconnect()
    await kill()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    port,
    directory,
    client,
    signal: (signal) => void child.kill(signal),
    kill,
    restart: async (meanwhile) => {
      await kill()
      meanwhile?.()
      await start()
    },
    stop,
  }
}
