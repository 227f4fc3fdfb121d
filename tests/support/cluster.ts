import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import type { ConfigInput } from "#bootstrap/config-schema.ts"
import { type Client, type ClientOptions, connectClient } from "./client.ts"
import { type Gateway, startNode } from "./gateway.ts"
import { type RedisServer, startRedis } from "./redis-server.ts"
import { until } from "./until.ts"

/** Nodes on a Redis of their own, and clients; all of it ends with the block that it was begun in. */
export interface Cluster extends AsyncDisposable {
  readonly redis: RedisServer
  /** In the order in which they were started; a test that kills one takes it out. */
  readonly nodes: Gateway[]
  readonly start: (change?: ConfigInput) => Promise<Gateway>
  /** Joins its rooms on every connect, as applications do. */
  readonly client: (node: Gateway, userId: string, options?: ClientOptions) => Promise<Client>
  /** Joins its rooms once: what it is in later it is in by its session. */
  readonly member: (node: Gateway, userId: string, rooms: readonly string[], options?: ClientOptions) => Promise<Client>
  /** Pushes under one key until some node has taken it. */
  readonly surely: (to: object, data: unknown, nodes?: readonly Gateway[]) => Promise<{ readonly offset: string }>
}

export interface ClusterOptions {
  readonly config?: ConfigInput
  readonly redisArgs?: readonly string[]
  readonly partitions?: number
}

const TRIES = 400
const BETWEEN_TRIES_MS = 50

export const startCluster = async (
  count: number,
  { config = {}, partitions = 1, redisArgs }: ClusterOptions = {},
): Promise<Cluster> => {
  const redis = await startRedis(redisArgs)
  const started: Gateway[] = []
  const nodes: Gateway[] = []
  const clients: Client[] = []
  const start = async (change: ConfigInput = {}): Promise<Gateway> => {
    const node = await startNode({
      users: { history: { size: 10_000, ttl: "1h" } },
      ...config,
      engine: "redis",
      redis: { url: redis.url, partitions },
      ...change,
    })
    started.push(node)
    nodes.push(node)
    return node
  }
  const end = async (): Promise<void> => {
    for (const { socket } of clients) socket.disconnect()
    await Promise.all(started.map((node) => node.stop("SIGKILL")))
    await redis.stop()
  }
  const beginnings = await Promise.allSettled(Array.from({ length: count }, () => start()))
  const failed = beginnings.find(({ status }) => status === "rejected")
  if (failed?.status === "rejected") {
    await end()
    throw failed.reason
  }
  const client: Cluster["client"] = async (node, userId, options) => {
    const made = await connectClient(node, userId, options)
    clients.push(made)
    return made
  }
  return {
    redis,
    nodes,
    start,
    client,
    member: async (node, userId, rooms, options) => {
      const made = await client(node, userId, options)
      for (const room of rooms) {
        const answer = await made.ask("room:join", { room })
        if (answer.ok !== true) throw new Error(`${userId} may not join ${room}: ${JSON.stringify(answer)}`)
      }
      return made
    },
    surely: async (to, data, among = nodes) => {
      const key = randomUUID()
      for (let i = 0; i < TRIES; i++) {
        const answer = await among[i % among.length]
          ?.push(to, "e", data, {}, { "idempotency-key": key })
          .catch(() => undefined)
        if (answer?.status === 202) return answer.body
        await sleep(BETWEEN_TRIES_MS)
      }
      throw new Error("no node has taken a push")
    },
    [Symbol.asyncDispose]: end,
  }
}

/** By its position in the list of nodes. */
export const nodeAt = ({ nodes }: Cluster, index: number): Gateway => {
  const node = nodes[index]
  if (node === undefined) throw new Error(`there is no node ${index}`)
  return node
}

/** What a load balancer asks. 0: it does not answer. */
export const readiness = ({ url }: Gateway): Promise<number> =>
  fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) }).then(
    ({ status }) => status,
    () => 0,
  )

export const isReady = (node: Gateway, ceilingMs = 30_000): Promise<void> =>
  until("the node to be ready", async () => (await readiness(node)) === 200, ceilingMs)

/** Comes back to that node from its next try on. */
export const turnTo = ({ socket }: Client, { url }: Gateway): void => {
  Reflect.set(socket.io, "uri", url)
}

/** Its network drops, and it comes back to another node. */
export const move = (client: Client, node: Gateway): void => {
  turnTo(client, node)
  client.drop()
}

export const seen = ({ received }: Client): unknown[] => received.map(({ data }) => data)

/** For `member` and `client`: it stays away where it drops, until `comeBack`. */
export const STAYS_AWAY: ClientOptions = { reconnection: false }

/** And from here on by itself. */
export const comeBack = ({ socket }: Client): void => {
  socket.io.reconnection(true)
  socket.connect()
}

/** What a stock client proves its session by, and where it stands. */
export const secrets = ({ socket }: Client): { readonly pid: unknown; readonly offset: unknown } => ({
  pid: Reflect.get(socket, "_pid"),
  offset: Reflect.get(socket, "_lastOffset"),
})

/** Every node's; they subscribe again by themselves. */
export const cutSubscriptions = async ({ redis }: Cluster): Promise<void> => {
  await redis.client.call("CLIENT", "KILL", "TYPE", "pubsub")
}
