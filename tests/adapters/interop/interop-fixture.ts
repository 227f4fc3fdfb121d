import { randomBytes } from "node:crypto"
import { createServer } from "node:http"
import { Emitter } from "@socket.io/redis-emitter"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { Redis } from "ioredis"
import { peersKey, socketioPeers } from "#adapters/interop/socketio-peers.ts"
import { joseTokenVerifier } from "#adapters/jose/jose-token-verifier.ts"
import { memoryConnectionDirectory } from "#adapters/memory/memory-connection-directory.ts"
import { memoryEngine } from "#adapters/memory/memory-engine.ts"
import { memoryIdempotency } from "#adapters/memory/memory-idempotency.ts"
import { memoryMessageLog } from "#adapters/memory/memory-message-log.ts"
import { memoryNodeCommands } from "#adapters/memory/memory-node-commands.ts"
import { memoryNodeRegistry } from "#adapters/memory/memory-node-registry.ts"
import { memoryRateLimiter } from "#adapters/memory/memory-rate-limiter.ts"
import { memoryRevocations } from "#adapters/memory/memory-revocations.ts"
import { memorySessionStore } from "#adapters/memory/memory-session-store.ts"
import { memoryStore } from "#adapters/memory/memory-store.ts"
import { randomIds } from "#adapters/memory/random-ids.ts"
import { parseAddress } from "#adapters/redis/redis-address.ts"
import { redisClient } from "#adapters/redis/redis-client.ts"
import { socketioServer } from "#adapters/socketio/socketio-server.ts"
import { closeGate, openGateOrClose } from "#application/connection-gate.ts"
import { engineEvents } from "#application/engine-events.ts"
import { LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Engine } from "#application/ports/engine.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import { DEFAULT_LIMITS, type Limits } from "#domain/limits.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { nobody } from "#tests/application/node-fixture.ts"
import { capturedLogs } from "#tests/support/captured-logs.ts"
import { type Client, type ClientOptions, closeClients, connectClient } from "#tests/support/client.ts"
import { JWT_SECRET } from "#tests/support/gateway.ts"
import type { RedisServer } from "#tests/support/redis-server.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { until } from "#tests/support/until.ts"

const HISTORY = { size: 100, ttlMs: 3_600_000 }
const RULE = { join: "anyone", publish: "members", presence: false, history: HISTORY } as const

const ends: (() => unknown)[] = []
/** Ends what the last test began, clients first. */
export const endAll = async (): Promise<void> => {
  closeClients()
  for (const end of ends.splice(0).reverse()) await end()
}
export const onEnd = (end: () => unknown): void => void ends.push(end)

/** Rooms `logged:*` keep a history, `plain:*` none; there are no others. */
const rules = compileRoomRules({
  rooms: [
    { ...RULE, match: "logged:*" },
    { ...RULE, match: "plain:*", history: undefined },
  ],
  users: { history: HISTORY },
  everybody: { history: HISTORY },
})

export interface Node {
  readonly url: string
  readonly key: string
  readonly logs: ReturnType<typeof capturedLogs>
  readonly metrics: ReturnType<typeof recordingMetrics>
  /** A program of somebody else's that emits to our clients. */
  readonly emitter: Emitter
  readonly connect: (userId: string, options?: ClientOptions) => Promise<Client>
  /** Closes the gate of a client's connection; answers how to open it. */
  readonly closeGateOf: (client: Client) => Promise<() => Promise<void>>
  /** What waits to be taken by the client for whom most does, bytes. */
  readonly mostWaiting: () => number
  /** Its subscription to the channels of others is live. */
  readonly subscribed: () => Promise<void>
}

/** A gateway over the memory engine, in this process, that shares a Redis with Socket.IO programs. */
export const startNode = async (redis: RedisServer, limits: Partial<Limits> = {}): Promise<Node> => {
  const address = parseAddress(redis.url)
  if (address === undefined) throw new Error(`${redis.url} is no address`)
  const prefix = `rc-${randomBytes(4).toString("hex")}`
  const logs = capturedLogs()
  const metrics = recordingMetrics()
  const settings = testSettings({
    rules,
    limits: { ...DEFAULT_LIMITS, connectionsPerUser: 0, connectsPerSecondPerAddress: 0, ...limits },
  })
  const base = Layer.mergeAll(metrics.layer, Layer.succeed(Settings, settings), logs.layer)
  const stores = Layer.mergeAll(memoryEngine, memoryMessageLog, memorySessionStore).pipe(
    Layer.provideMerge(memoryStore()),
    Layer.provideMerge(base),
  )
  const services = Layer.mergeAll(
    LocalRooms.layer,
    LocalConnections.layer,
    memoryConnectionDirectory,
    memoryIdempotency,
    memoryNodeCommands,
    memoryNodeRegistry,
    memoryRateLimiter,
    memoryRevocations,
    randomIds,
    Layer.merge(
      nobody,
      Layer.orDie(joseTokenVerifier({ secret: JWT_SECRET, clockToleranceSeconds: 0, maxLifetimeSeconds: 86_400 })),
    ),
  ).pipe(Layer.provideMerge(stores))
  const peers = socketioPeers({ prefix, client: () => redisClient(address) })
  const runtime = ManagedRuntime.make(Layer.provideMerge(peers, services))
  const context = await runtime.context()
  const nowMs = (): number => Date.now()
  Context.get(context, Engine).start(engineEvents(context, nowMs))
  const http = createServer()
  const clients = socketioServer(http, {
    node: settings.node,
    run: (effect, options) => runtime.runCallback(effect, options),
    metrics: Context.get(context, Metrics),
    limits: settings.limits,
    trustedProxies: [],
    allowsOrigin: () => true,
    onUntrustedForwarding: () => {},
    nowMs,
  })
  http.on("request", clients.handleRequest)
  http.on("upgrade", clients.handleUpgrade)
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  onEnd(async () => {
    await clients.close()
    await runtime.dispose()
  })
  const at = http.address()
  if (at === null || typeof at === "string") throw new Error("no port")
  const url = `http://127.0.0.1:${at.port}`
  const key = peersKey(prefix)
  const subscribed = () =>
    until("the subscription", async () => {
      const answer: unknown = await redis.client.call("PUBSUB", "NUMSUB", `${key}-request#/#`).catch(() => [])
      return Array.isArray(answer) && Number(answer[1]) > 0
    })
  await subscribed()
  return {
    url,
    key,
    logs,
    metrics,
    emitter: new Emitter(redis.client, { key }),
    connect: (userId, options) => connectClient({ url }, userId, options),
    closeGateOf: async ({ socket }) => {
      const connection = Context.get(context, LocalConnections).byId.get(socket.id ?? "")
      if (connection === undefined) throw new Error("it is not here")
      await runtime.runPromise(closeGate(connection))
      return () => runtime.runPromise(openGateOrClose(connection))
    },
    mostWaiting: () =>
      Math.max(0, ...[...Context.get(context, LocalConnections).byId.values()].map(({ link }) => link.bufferedBytes)),
    subscribed,
  }
}

/** A connection to Redis of another program's own. */
export const foreignRedis = (redis: RedisServer): Redis => {
  const client = new Redis(redis.url, { retryStrategy: () => 50 })
  client.on("error", () => {})
  onEnd(() => client.disconnect())
  return client
}

/** Everything that a client gets, with all of its arguments. */
export const listen = ({ socket }: Client): unknown[][] => {
  const events: unknown[][] = []
  socket.onAny((...args: unknown[]) => events.push(args))
  return events
}
