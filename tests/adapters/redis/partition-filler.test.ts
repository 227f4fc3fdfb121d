import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"
import { afterAll, expect, it } from "vitest"
import { PartitionFiller } from "#adapters/redis/partition-filler.ts"
import { RedisCommands } from "#adapters/redis/redis-commands.ts"
import { type HeardRoom, RedisDelivery } from "#adapters/redis/redis-delivery.ts"
import { RedisLane } from "#adapters/redis/redis-lane.ts"
import type { RedisPartition } from "#adapters/redis/redis-partition.ts"
import { RedisRooms } from "#adapters/redis/redis-rooms.ts"
import { StoreState } from "#adapters/redis/redis-store.ts"
import type { MessageLog } from "#application/ports/message-log.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { STORE_OPTIONS } from "./store-fixture.ts"

const client = new Redis({ lazyConnect: true })
afterAll(() => client.disconnect())

/** Its clock is answered when the test says so. */
class SlowStore extends StoreState {
  readonly answers: ((clock: number) => void)[] = []
  override clock(_: RedisPartition): Promise<number> {
    return new Promise((resolve) => this.answers.push(resolve))
  }
}

const unread = () => Effect.die("there are no rooms")

const fixture = (heard: (partition: RedisPartition) => readonly HeardRoom[], read: MessageLog["Service"]["read"]) => {
  const commands = new RedisCommands(client, () => {})
  const state = new SlowStore({ commands, replicated: commands }, STORE_OPTIONS, 0)
  const [partition] = state.partitions
  if (partition === undefined) throw new Error("no partition")
  state.meet(partition, "e", 10)
  const rooms = heard(partition)
  class Rooms extends RedisRooms {
    override get all(): Iterable<HeardRoom> {
      return rooms
    }
  }
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
  const failures: unknown[] = []
  const filler = new PartitionFiller({
    state,
    log: { read, survey: unread, last: unread, clear: unread, describe: unread },
    rooms: new Rooms(
      state,
      () => lane,
      () => true,
      Date.now,
    ),
    delivery,
    laneOf: () => lane,
    isEnded: () => false,
    failed: (error) => failures.push(error),
  })
  return { delivery, failures, filler, partition, state }
}

it("does not take a partition for filled where its subscription broke while the clock was being read", async () => {
  const { delivery, failures, filler, partition, state } = fixture(() => [], unread)
  const former = filler.fill(partition)
  client.emit("close")
  state.answers.shift()?.(20)
  await former
  expect([delivery.isHeld(partition), state.workedOff[0]]).toEqual([true, 10])
  const next = filler.fill(partition)
  await sleep(0)
  state.answers.shift()?.(30)
  await next
  expect([delivery.isHeld(partition), state.workedOff[0], failures]).toEqual([false, 30, []])
})

it("goes on trying where a log cannot be made sense of, and says so once; not where Redis is away", async () => {
  const name = "a" as RoomName
  const room = (partition: RedisPartition): HeardRoom => ({
    name,
    partition,
    channel: "c",
    logged: true,
    wanted: true,
    last: 10,
    said: 10,
  })
  const defect = new Error("no number")
  const reads = [
    Effect.fail(new Refusal("engine_unavailable", "away")),
    Effect.die(defect),
    Effect.die(defect),
    Effect.succeed({ epoch: "e", clock: 20, rooms: [{ room: name, newest: 10, more: false, entries: [] }] }),
  ]
  const { delivery, failures, filler, partition, state } = fixture(
    (each) => [room(each)],
    () => reads.shift() ?? unread(),
  )
  const filled = filler.fill(partition)
  while (delivery.isHeld(partition)) {
    state.answers.shift()?.(20)
    await sleep(5)
  }
  await filled
  expect([reads.length, failures, state.workedOff[0]]).toEqual([0, [defect], 20])
})
