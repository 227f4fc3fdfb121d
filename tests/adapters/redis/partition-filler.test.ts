import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import { afterAll, expect, it } from "vitest"
import { PartitionFiller } from "#adapters/redis/partition-filler.ts"
import { parseAddress } from "#adapters/redis/redis-address.ts"
import { RedisCommands } from "#adapters/redis/redis-commands.ts"
import { RedisDelivery } from "#adapters/redis/redis-delivery.ts"
import { RedisLane } from "#adapters/redis/redis-lane.ts"
import type { RedisPartition } from "#adapters/redis/redis-partition.ts"
import { RedisRooms } from "#adapters/redis/redis-rooms.ts"
import { StoreState } from "#adapters/redis/redis-store.ts"

const address = parseAddress("redis://127.0.0.1:1")
if (address === undefined) throw new Error("no address")
const client = new Redis({ lazyConnect: true })
afterAll(() => client.disconnect())

const OPTIONS = {
  address,
  prefix: "p",
  partitions: 1,
  beatMs: 1_000,
  leaseMs: 1_000,
  idempotencyMs: 1_000,
  shortestRecordMs: 1_000,
  waitReplicas: 0,
}

/** Its clock is answered when the test says so. */
class SlowStore extends StoreState {
  readonly answers: ((clock: number) => void)[] = []
  override clock(_: RedisPartition): Promise<number> {
    return new Promise((resolve) => this.answers.push(resolve))
  }
}

it("does not take a partition for filled where its subscription broke while the clock was being read", async () => {
  const commands = new RedisCommands(client, () => {})
  const state = new SlowStore({ commands, replicated: commands }, OPTIONS, 0)
  const [partition] = state.partitions
  if (partition === undefined) throw new Error("no partition")
  state.meet(partition, "e", 10)
  const delivery = new RedisDelivery({
    state,
    roomOf: () => undefined,
    fill: () => {},
    endEpoch: () => {},
    limitHit: () => {},
    nowMs: () => 0,
  })
  const lane = new RedisLane(
    client,
    { partitions: [partition], isWide: true },
    { message: () => {}, broken: () => delivery.hold(partition, true), connected: () => {} },
  )
  const filler = new PartitionFiller({
    state,
    log: {
      read: () => Effect.die("there are no rooms"),
      survey: () => Effect.die("there are no rooms"),
      last: () => Effect.die("there are no rooms"),
      clear: () => Effect.die("there are no rooms"),
      describe: () => Effect.die("there are no rooms"),
    },
    rooms: new RedisRooms(
      state,
      () => lane,
      () => true,
      Date.now,
    ),
    delivery,
    laneOf: () => lane,
    isEnded: () => false,
  })
  const former = filler.fill(partition)
  client.emit("close")
  state.answers.shift()?.(20)
  await former
  expect([delivery.isHeld(partition), state.workedOff[0]]).toEqual([true, 10])
  const next = filler.fill(partition)
  await sleep(0)
  state.answers.shift()?.(30)
  await next
  expect([delivery.isHeld(partition), state.workedOff[0]]).toEqual([false, 30])
})
