import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { parseAddress } from "#adapters/redis/redis-address.ts"
import { redisConnectionDirectory } from "#adapters/redis/redis-connection-directory.ts"
import { redisEngine } from "#adapters/redis/redis-engine.ts"
import { redisIdempotency } from "#adapters/redis/redis-idempotency.ts"
import { redisMessageLog } from "#adapters/redis/redis-message-log.ts"
import { redisNodeCommands } from "#adapters/redis/redis-node-commands.ts"
import { redisNodeRegistry } from "#adapters/redis/redis-node-registry.ts"
import { redisRateLimiter } from "#adapters/redis/redis-rate-limiter.ts"
import { redisRevocations } from "#adapters/redis/redis-revocations.ts"
import { redisSessionStore } from "#adapters/redis/redis-session-store.ts"
import { type RedisOptions, redisStore } from "#adapters/redis/redis-store.ts"
import { Engine } from "#application/ports/engine.ts"
import type { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { silentMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { HISTORY } from "./engine-contract.ts"

/** Redis keeps its own time: what the contracts call a second is so much of one here. */
const SCALE = 0.045

export const advance = (ms: number): Effect.Effect<void> => Effect.sleep(ms * SCALE)

/** Sessions are kept for so long, of Redis's own time. */
export const WINDOW_MS = 2_000

const history = { ...HISTORY, ttlMs: HISTORY.ttlMs * SCALE }
const settings = testSettings({
  rules: compileRoomRules({
    rooms: [{ match: "*", join: "anyone", publish: "members", presence: false, history }],
    users: { history },
    everybody: { history: undefined },
  }),
  recovery: { windowMs: WINDOW_MS, maxMessages: 1_000 },
})

/** The contracts' durations are this long in Redis. */
const scaled = Layer.effect(
  Engine,
  Effect.map(Engine, (engine) => ({
    ...engine,
    recordTtlMs: engine.recordTtlMs / SCALE,
    publish: (publish) =>
      engine.publish({
        ...publish,
        histories: publish.histories.map((each) => each && { ...each, ttlMs: each.ttlMs * SCALE }),
      }),
  })),
)

/** The ports as they are, on Redis's own time, with the store beside them. */
export const redisPorts = (
  url: string,
  more: Partial<RedisOptions> = {},
  own: Partial<Settings["Service"]> = {},
  metrics: Layer.Layer<Metrics> = silentMetrics,
) => {
  const address = parseAddress(url)
  if (address === undefined) throw new Error(`${url} is no address`)
  const store = Layer.unwrap(
    Effect.sync(() =>
      redisStore({
        address,
        prefix: `test-${randomBytes(6).toString("hex")}`,
        partitions: 1,
        beatMs: 200,
        leaseMs: 1_000,
        idempotencyMs: 600_000 * SCALE,
        shortestRecordMs: 3_000,
        waitReplicas: 0,
        ...more,
      }),
    ),
  )
  return redisEngine.pipe(
    Layer.provideMerge(redisMessageLog),
    Layer.provideMerge(
      Layer.mergeAll(
        redisSessionStore,
        redisConnectionDirectory,
        redisIdempotency,
        redisNodeCommands,
        redisNodeRegistry,
        redisRateLimiter,
        redisRevocations,
      ),
    ),
    Layer.provideMerge(store),
    Layer.provide([metrics, Layer.succeed(Settings, { ...settings, ...own })]),
  )
}

export const redisLayer = (...args: Parameters<typeof redisPorts>) => Layer.provideMerge(scaled, redisPorts(...args))
