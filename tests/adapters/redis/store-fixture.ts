import { parseAddress } from "#adapters/redis/redis-address.ts"
import type { RedisOptions } from "#adapters/redis/redis-store.ts"

const address = parseAddress("redis://127.0.0.1:1")
if (address === undefined) throw new Error("no address")

/** Of a store that nobody is asked for. */
export const STORE_OPTIONS: RedisOptions = {
  address,
  prefix: "p",
  partitions: 1,
  beatMs: 1_000,
  leaseMs: 1_000,
  idempotencyMs: 1_000,
  shortestRecordMs: 1_000,
  waitReplicas: 0,
}
