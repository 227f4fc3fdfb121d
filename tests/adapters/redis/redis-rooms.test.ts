import { Redis } from "ioredis"
import { afterAll, expect, it } from "vitest"
import { RedisCommands, RedisFailure } from "#adapters/redis/redis-commands.ts"
import { RedisLane } from "#adapters/redis/redis-lane.ts"
import { LINGER_MS, MAX_LINGERING, RedisRooms } from "#adapters/redis/redis-rooms.ts"
import { StoreState } from "#adapters/redis/redis-store.ts"
import { room } from "#tests/domain/made.ts"
import { STORE_OPTIONS } from "./store-fixture.ts"

const client = new Redis({ lazyConnect: true })
afterAll(() => client.disconnect())

class Store extends StoreState {
  /** What the next looks at the clock answer; then it is 1. */
  readonly clocks: Promise<number>[] = []
  override clock(): Promise<number> {
    return this.clocks.shift() ?? Promise.resolve(1)
  }
}

/** The rooms of a node, and what it has asked Redis for. */
const roomsOfNode = () => {
  const commands = new RedisCommands(client, () => {})
  const state = new Store({ commands, replicated: commands }, STORE_OPTIONS, 0)
  const lane = new RedisLane(
    client,
    { partitions: state.partitions, isWide: true },
    { message: () => {}, broken: () => {}, connected: () => {} },
  )
  const asked = { subscribed: 0, unsubscribed: 0 }
  const heard = new Set<string>()
  let fails = false
  Object.assign(lane.subscriber, {
    subscribe: (channel: string) => {
      if (fails) return Promise.reject(new Error("no"))
      asked.subscribed++
      heard.add(channel)
      return Promise.resolve()
    },
    unsubscribe: (channels: readonly string[]) => {
      asked.unsubscribed += channels.length
      for (const channel of channels) heard.delete(channel)
      return Promise.resolve()
    },
  })
  let now = 0
  const rooms = new RedisRooms(
    state,
    () => lane,
    () => true,
    () => now,
  )
  return {
    rooms,
    asked,
    heard,
    clocks: state.clocks,
    pass: (ms: number) => {
      now += ms
      rooms.sweep()
    },
    failing: (is: boolean) => {
      fails = is
    },
  }
}

it("a room that nobody wants is heard a while longer, for who comes back, and then given up", async () => {
  const { asked, pass, rooms } = roomsOfNode()
  const [a, b] = [room("a"), room("b")]
  await Promise.all([rooms.want(a), rooms.want(b)])
  rooms.unwant(a)
  rooms.unwant(b)
  pass(LINGER_MS - 1)
  expect([rooms.size, asked.unsubscribed]).toEqual([2, 0])
  await rooms.want(a)
  expect(asked.subscribed).toBe(2)
  pass(1)
  expect([rooms.size, rooms.named(a)?.wanted, rooms.named(b), asked.unsubscribed]).toEqual([1, true, undefined, 1])
})

it("so many are heard for nobody; of more the first are given up at once", async () => {
  const { asked, pass, rooms } = roomsOfNode()
  const names = Array.from({ length: MAX_LINGERING + 3 }, (_, i) => room(`r${i}`))
  await Promise.all(names.map((name) => rooms.want(name)))
  for (const name of names) rooms.unwant(name)
  pass(1)
  expect([rooms.size, asked.unsubscribed]).toEqual([MAX_LINGERING, 3])
  expect([rooms.named(room("r2")), rooms.named(room("r3"))?.wanted]).toEqual([undefined, false])
})

it("a room whose subscription failed is subscribed to anew by who wants it next", async () => {
  const { asked, failing, rooms } = roomsOfNode()
  failing(true)
  await expect(rooms.want(room("a"))).rejects.toThrow("no")
  expect(rooms.size).toBe(0)
  failing(false)
  await rooms.want(room("a"))
  expect([rooms.size, asked.subscribed]).toEqual([1, 1])
})

it("the channel of a room whose clock could not be read is given up: nobody else would", async () => {
  const { clocks, heard, rooms } = roomsOfNode()
  clocks.push(Promise.reject(new RedisFailure("the clock", "away")))
  await expect(rooms.want(room("a"))).rejects.toThrow(RedisFailure)
  expect([rooms.size, [...heard]]).toEqual([0, []])
  await rooms.want(room("a"))
  expect([rooms.size, heard.size]).toEqual([1, 1])
})

it("the channel of a room that was given up, and is wanted again by others, is kept where its first clock fails late", async () => {
  const { clocks, heard, pass, rooms } = roomsOfNode()
  const late = Promise.withResolvers<number>()
  clocks.push(late.promise)
  const first = rooms.want(room("a"))
  rooms.unwant(room("a"))
  pass(LINGER_MS)
  await rooms.want(room("a"))
  late.reject(new RedisFailure("the clock", "away"))
  await expect(first).rejects.toThrow(RedisFailure)
  expect([rooms.size, heard.size]).toEqual([1, 1])
})
