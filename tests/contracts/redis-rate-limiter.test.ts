import * as Effect from "effect/Effect"
import { afterAll } from "vitest"
import { startRedis } from "#tests/support/redis-server.ts"
import { rateLimiterContract } from "./rate-limiter-contract.ts"
import { redisLayer } from "./redis-fixture.ts"

const server = await startRedis()
afterAll(() => server.stop())

rateLimiterContract("redis", redisLayer(server.url), (ms) => Effect.sleep(ms))
