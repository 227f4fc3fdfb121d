import * as Layer from "effect/Layer"
import { handlerModules } from "#adapters/handlers/handler-modules.ts"
import { socketioPeers } from "#adapters/interop/socketio-peers.ts"
import { joseTokenVerifier } from "#adapters/jose/jose-token-verifier.ts"
import { logtapeLogger } from "#adapters/logtape/logtape-logger.ts"
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
import { prometheusMetrics } from "#adapters/prometheus/prometheus-metrics.ts"
import type { PrometheusText } from "#adapters/prometheus/prometheus-text.ts"
import { type ParsedAddress, parseAddress } from "#adapters/redis/redis-address.ts"
import { redisClient } from "#adapters/redis/redis-client.ts"
import { redisConnectionDirectory } from "#adapters/redis/redis-connection-directory.ts"
import { redisEngine } from "#adapters/redis/redis-engine.ts"
import { redisIdempotency } from "#adapters/redis/redis-idempotency.ts"
import { redisMessageLog } from "#adapters/redis/redis-message-log.ts"
import { redisNodeCommands } from "#adapters/redis/redis-node-commands.ts"
import { redisNodeRegistry } from "#adapters/redis/redis-node-registry.ts"
import { redisRateLimiter } from "#adapters/redis/redis-rate-limiter.ts"
import { redisRevocations } from "#adapters/redis/redis-revocations.ts"
import { redisSessionStore } from "#adapters/redis/redis-session-store.ts"
import { checkServers, redisStore } from "#adapters/redis/redis-store.ts"
import { standardWebhookVerifier } from "#adapters/webhook/standard-webhook-verifier.ts"
import { webhookBackend } from "#adapters/webhook/webhook-backend.ts"
import { LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { HandlerActions } from "#application/ports/handler-actions.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import type { Config } from "./config.ts"
import { toSettings } from "./to-settings.ts"

/** A webhook's answer may have so many bytes, or what a message may have. */
const ANSWER_BYTES = 102_400

const memoryPorts = Layer.mergeAll(
  memoryEngine,
  memoryMessageLog,
  memorySessionStore,
  memoryConnectionDirectory,
  memoryIdempotency,
  memoryNodeCommands,
  memoryNodeRegistry,
  memoryRateLimiter,
  memoryRevocations,
).pipe(Layer.provide(memoryStore()))

const BEAT_MS = 2_000
const LEASE_MS = 10_000
const IDEMPOTENCY_MS = 600_000
const SHORTEST_RECORD_MS = 3_600_000
const CLUSTER_PARTITIONS = 16

const addressOf = (url: string): ParsedAddress => {
  const address = parseAddress(url)
  if (address === undefined) throw new Error("redis.url was not checked")
  return address
}

const redisPorts = ({ redis: { partitions, prefix, url = "", waitReplicas } }: Config) => {
  const address = addressOf(url)
  return Layer.effectDiscard(checkServers).pipe(
    Layer.provideMerge(redisEngine),
    Layer.provideMerge(
      Layer.mergeAll(
        redisMessageLog,
        redisSessionStore,
        redisConnectionDirectory,
        redisIdempotency,
        redisNodeCommands,
        redisNodeRegistry,
        redisRateLimiter,
        redisRevocations,
      ),
    ),
    Layer.provide(
      redisStore({
        address,
        prefix,
        partitions: partitions ?? (address.kind === "cluster" ? CLUSTER_PARTITIONS : 1),
        beatMs: BEAT_MS,
        leaseMs: LEASE_MS,
        idempotencyMs: IDEMPOTENCY_MS,
        shortestRecordMs: SHORTEST_RECORD_MS,
        waitReplicas,
      }),
    ),
  )
}

/** With Redis, other Socket.IO programs reach the gateway's clients by it. */
const withPeers = <E, R>(
  { engine, redis: { prefix, url = "" } }: Config,
  all: Layer.Layer<Services | PrometheusText, E, R>,
): Layer.Layer<Services | PrometheusText, E, R> =>
  engine === "redis"
    ? Layer.provideMerge(socketioPeers({ prefix, client: () => redisClient(addressOf(url)) }), all)
    : all

/** Everything of one node but its edges, which are given this as a runtime and are closed before it. */
export const layers = (config: Config, version: string, actions: HandlerActions["Service"]) => {
  const { jwt, log } = config
  const base = Layer.mergeAll(
    Layer.succeed(Settings, toSettings(config, version)),
    Layer.succeed(HandlerActions, actions),
    prometheusMetrics({ version, node: config.nodeId }),
  )
  const engine = (config.engine === "redis" ? redisPorts(config) : memoryPorts).pipe(Layer.provideMerge(base))
  const rest = Layer.mergeAll(
    randomIds,
    LocalConnections.layer,
    LocalRooms.layer,
    joseTokenVerifier({
      ...(jwt.secret !== undefined && { secret: jwt.secret }),
      ...(jwt.publicKey !== undefined && { publicKey: jwt.publicKey }),
      ...(jwt.jwksUrl !== undefined && { jwksUrl: jwt.jwksUrl }),
      ...(jwt.issuer !== undefined && { issuer: jwt.issuer }),
      ...(jwt.audience !== undefined && { audience: jwt.audience }),
      ...(jwt.apiAudience !== undefined && { api: { audience: jwt.apiAudience } }),
      clockToleranceSeconds: jwt.clockTolerance / 1000,
      maxLifetimeSeconds: jwt.maxLifetime / 1000,
    }),
    webhookBackend({
      answerBytes: Math.max(ANSWER_BYTES, config.limits.payloadBytes),
      endpoints: config.webhooks.endpoints.map(({ timeout, ...endpoint }) => ({ ...endpoint, timeoutMs: timeout })),
    }),
    standardWebhookVerifier({
      keys: config.keys.flatMap(({ id, scopes, secret }) => (secret === undefined ? [] : [{ id, scopes, secret }])),
    }),
    handlerModules({ directory: config.handlers, defaultTimeoutMs: config.handlerTimeout }),
  )
  return withPeers(config, rest.pipe(Layer.provideMerge(engine))).pipe(
    Layer.provideMerge(
      logtapeLogger({
        node: config.nodeId,
        level: log.level,
        format: log.format,
        redact: log.redact,
        ...(log.file !== undefined && {
          file: {
            path: log.file.path,
            maxBytes: log.file.maxSize,
            maxFiles: log.file.maxFiles,
            maxAgeMs: log.file.maxAge ?? Number.POSITIVE_INFINITY,
          },
        }),
      }),
    ),
  )
}
