import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Redis } from "ioredis"
import { freePort } from "./free-port.ts"
import { type RedisProcess, startProcess } from "./redis-process.ts"
import { until } from "./until.ts"

const NAME = "rooms"
const SENTINELS = 3

export interface RedisSentinel {
  readonly url: string
  /** The first master and its replica. */
  readonly master: RedisProcess
  readonly replica: RedisProcess
  /** The port of whoever the sentinels call the master. */
  readonly masterPort: () => Promise<number>
  /** Asks for the replica to become the master. */
  readonly failover: () => Promise<void>
  /** Ends one of the sentinels: the first that the URL names. */
  readonly stopSentinel: () => Promise<void>
  /** From here on no sentinel lets anybody subscribe. */
  readonly forbidSubscribing: () => Promise<void>
  readonly stop: () => Promise<void>
}

const startSentinel = async (masterPort: number, password: string) => {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), "roomcast-sentinel-"))
  const file = join(directory, "sentinel.conf")
  // A sentinel writes into its file what it learns.
  writeFileSync(
    file,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${directory}`,
      `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
      ...(password === "" ? [] : [`sentinel auth-pass ${NAME} ${password}`]),
      `sentinel down-after-milliseconds ${NAME} 1000`,
      `sentinel failover-timeout ${NAME} 5000`,
      "",
    ].join("\n"),
  )
  const child = spawn("redis-server", [file, "--sentinel"], { stdio: "ignore" })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const client = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 50 })
  client.on("error", () => {})
  return {
    port,
    client,
    stop: async () => {
      client.disconnect()
      child.kill("SIGKILL")
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A master, its replica and three sentinels, two of which must agree. The password is of master and replica. */
export const startRedisSentinel = async (password = ""): Promise<RedisSentinel> => {
  const secret = password === "" ? [] : ["--requirepass", password, "--masterauth", password]
  const alone = (...more: string[]) =>
    startProcess({
      args: (port, directory) => [
        ...["--bind", "127.0.0.1", "--port", `${port}`, "--dir", directory, "--save", ""],
        ...["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", ...secret, ...more],
      ],
      ...(password !== "" && { connect: { password } }),
    })
  const master = await alone()
  const replica = await alone("--replicaof", "127.0.0.1", `${master.port}`)
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startSentinel(master.port, password)))
  const fieldsOf = async ({ client }: (typeof sentinels)[number]): Promise<string> =>
    String(await client.call("SENTINEL", "MASTER", NAME).catch(() => ""))
  await until("the sentinels to know one another and the replica", async () => {
    const known = await Promise.all(sentinels.map(fieldsOf))
    const link = await replica.client.info("replication").catch(() => "")
    return (
      link.includes("master_link_status:up") &&
      known.every((text) => text.includes(`num-other-sentinels,${SENTINELS - 1}`) && text.includes("num-slaves,1"))
    )
  })
  const credentials = password === "" ? "" : `:${password}@`
  return {
    url: `redis+sentinel://${credentials}${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/${NAME}`,
    master,
    replica,
    masterPort: async () => {
      const address: unknown = await sentinels.at(-1)?.client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
      return Array.isArray(address) ? Number(address[1]) : 0
    },
    stopSentinel: async () => {
      await sentinels[0]?.stop()
    },
    failover: async () => {
      await sentinels.at(-1)?.client.call("SENTINEL", "FAILOVER", NAME)
    },
    forbidSubscribing: async () => {
      await Promise.all(sentinels.map(({ client }) => client.call("ACL", "SETUSER", "default", "-subscribe")))
    },
    stop: async () => {
      await Promise.all([...sentinels.map((one) => one.stop()), master.stop(), replica.stop()])
    },
  }
}
