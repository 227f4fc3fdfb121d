import type { ChildProcess } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ConfigInput } from "#bootstrap/config-schema.ts"
import { freePort } from "#tests/support/free-port.ts"
import { TEST_CONFIG } from "#tests/support/gateway.ts"
import { type RedisServer, startRedis } from "#tests/support/redis-server.ts"
import { startNginx } from "./nginx.ts"
import { NodeProcess } from "./node-process.ts"
import { TcpProxy } from "./tcp-proxy.ts"

/** What kills Redis between its answer and its disk loses nothing that it answered for. */
const REDIS = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
const HISTORY = { size: 10_000, ttl: "1h" }

export const RECOVERY_WINDOW_MS = 120_000

const configOf = (proxy: TcpProxy): ConfigInput => ({
  ...TEST_CONFIG,
  engine: "redis",
  redis: { url: `redis://127.0.0.1:${proxy.port}` },
  rooms: [{ match: "chaos:*", join: "anyone", history: HISTORY }],
  users: { history: HISTORY },
  recovery: { window: `${RECOVERY_WINDOW_MS}ms`, maxMessages: 100_000 },
  log: { level: "info", format: "json" },
  drain: { time: "5s" },
})

/** Three nodes with the network between each and Redis in our hands, and nginx before them. */
export class Cluster {
  readonly url: string
  readonly redis: RedisServer
  readonly nodes: readonly NodeProcess[]
  readonly links: readonly TcpProxy[]
  readonly directory: string
  private nginx: ChildProcess | undefined

  private constructor(parts: Pick<Cluster, "directory" | "links" | "nodes" | "redis" | "url">) {
    this.url = parts.url
    this.redis = parts.redis
    this.nodes = parts.nodes
    this.links = parts.links
    this.directory = parts.directory
  }

  static async start(count: number): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), "roomcast-chaos-"))
    const redis = await startRedis(REDIS)
    const links = await Promise.all(Array.from({ length: count }, () => TcpProxy.open(redis.port)))
    const nodes: NodeProcess[] = []
    for (const [i, link] of links.entries())
      nodes.push(new NodeProcess(`node-${i + 1}`, await freePort(), configOf(link), directory))
    const port = await freePort()
    const cluster = new Cluster({ directory, links, nodes, redis, url: `http://127.0.0.1:${port}` })
    process.once("exit", cluster.abandon)
    try {
      await Promise.all(nodes.map((node) => node.start()))
      const own = join(directory, "nginx")
      mkdirSync(own)
      cluster.nginx = await startNginx(port, nodes, own)
    } catch (error) {
      await cluster.stop(true)
      throw error
    }
    return cluster
  }

  /** Where this process ends before it has stopped them. */
  private readonly abandon = (): void => {
    this.nginx?.kill("SIGTERM")
    for (const node of this.nodes) node.signal("SIGKILL")
    this.redis.signal("SIGKILL")
  }

  async stop(keepLogs: boolean): Promise<void> {
    process.off("exit", this.abandon)
    const { nginx } = this
    if (nginx !== undefined) {
      const gone = new Promise((resolve) => nginx.once("exit", resolve))
      nginx.kill("SIGTERM")
      await gone
    }
    await Promise.all(this.nodes.map((node) => node.stop("SIGKILL")))
    await Promise.all(this.links.map((link) => link.close()))
    await this.redis.stop()
    if (!keepLogs) rmSync(this.directory, { recursive: true, force: true })
  }
}
