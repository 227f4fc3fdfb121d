import { afterAll } from "vitest"
import { startRedis } from "#tests/support/redis-server.ts"
import { connectionDirectoryContract } from "./connection-directory-contract.ts"
import { redisLayer } from "./redis-fixture.ts"

const server = await startRedis()
afterAll(() => server.stop())

connectionDirectoryContract("redis", redisLayer(server.url))
