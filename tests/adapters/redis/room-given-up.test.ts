import { Redis } from "ioredis"
import { afterAll, expect, it } from "vitest"
import { parseAddress } from "#adapters/redis/redis-address.ts"
import { RedisCommands, RedisFailure } from "#adapters/redis/redis-commands.ts"
import { RedisLane } from "#adapters/redis/redis-lane.ts"
import { RedisRooms } from "#adapters/redis/redis-rooms.ts"
import { StoreState } from "#adapters/redis/redis-store.ts"
import { room } from "#tests/domain/made.ts"

const address = parseAddress("redis://127.0.0.1:1")
if (address === undefined) throw new Error("no address")
const client = new Redis({ lazyConnect: true })
afterAll(() => client.disconnect())

it("gives up the channel of a room whose clock could not be read: nobody else would", async () => {
  const commands = new RedisCommands(client, () => {})
  const state = new StoreState(
    { commands, replicated: commands },
    {
      address,
      prefix: "p",
      partitions: 1,
      beatMs: 1_000,
      leaseMs: 1_000,
      idempotencyMs: 1_000,
      shortestRecordMs: 1_000,
      waitReplicas: 0,
    },
    0,
  )
  const clocks = [() => Promise.reject(new RedisFailure("the clock", "away")), () => Promise.resolve(7)]
  state.clock = () => clocks.shift()?.() ?? Promise.resolve(0)
  const lane = new RedisLane(
    client,
    { partitions: state.partitions, isWide: true },
    { message: () => {}, broken: () => {}, connected: () => {} },
  )
  const heard = new Set<string>()
  lane.subscriber.subscribe = async (channel) => void heard.add(channel)
  lane.subscriber.unsubscribe = async (channels) => {
    for (const channel of channels) heard.delete(channel)
  }
  const rooms = new RedisRooms(
    state,
    () => lane,
    () => true,
    () => 0,
  )
  await expect(rooms.want(room("a"))).rejects.toThrow(RedisFailure)
  expect([rooms.size, [...heard]]).toEqual([0, []])
  await rooms.want(room("a"))
  expect([rooms.size, heard.size]).toEqual([1, 1])
})
