import * as Effect from "effect/Effect"
import { afterAll, describe } from "vitest"
import { startRedisCluster } from "#tests/support/redis-cluster.ts"
import { connectionDirectoryContract } from "./connection-directory-contract.ts"
import { engineContract } from "./engine-contract.ts"
import { messageLogContract } from "./message-log-contract.ts"
import { rateLimiterContract } from "./rate-limiter-contract.ts"
import { advance, redisLayer, WINDOW_MS } from "./redis-fixture.ts"
import { sessionStoreContract } from "./session-store-contract.ts"

const cluster = await startRedisCluster()
afterAll(() => cluster.stop())

// Each begins with an empty store of its own; most of their time they wait for Redis's.
describe.concurrent("with Redis", () => {
  for (const partitions of [4, 16]) {
    const name = `redis cluster, ${partitions} partitions`
    engineContract(name, redisLayer(cluster.url, { partitions }), advance)
    messageLogContract(name, redisLayer(cluster.url, { partitions }), advance)
  }
})

const layer = redisLayer(cluster.url, { partitions: 16 })
const wait = (ms: number) => Effect.sleep(ms)
describe.concurrent("sessions with Redis", () => sessionStoreContract("redis cluster", layer, WINDOW_MS, wait))
connectionDirectoryContract("redis cluster", layer)
rateLimiterContract("redis cluster", layer, wait)
