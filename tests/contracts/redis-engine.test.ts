import { afterAll, describe } from "vitest"
import { startRedis } from "#tests/support/redis-server.ts"
import { engineContract } from "./engine-contract.ts"
import { messageLogContract } from "./message-log-contract.ts"
import { advance, redisLayer } from "./redis-fixture.ts"

const server = await startRedis()
afterAll(() => server.stop())

// Each begins with an empty store of its own; most of their time they wait for Redis's.
describe.concurrent("with Redis", () => {
  for (const partitions of [1, 4]) {
    const name = `redis, ${partitions} of its partitions`
    engineContract(name, redisLayer(server.url, { partitions }), advance)
    messageLogContract(name, redisLayer(server.url, { partitions }), advance)
  }
})
