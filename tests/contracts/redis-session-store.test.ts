import * as Effect from "effect/Effect"
import { afterAll, describe } from "vitest"
import { startRedis } from "#tests/support/redis-server.ts"
import { redisLayer, WINDOW_MS } from "./redis-fixture.ts"
import { sessionStoreContract } from "./session-store-contract.ts"

const server = await startRedis()
afterAll(() => server.stop())

describe.concurrent("with Redis", () => {
  sessionStoreContract("redis", redisLayer(server.url), WINDOW_MS, (ms) => Effect.sleep(ms))
})
