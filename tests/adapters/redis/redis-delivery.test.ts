import { afterAll, describe, expect, it } from "vitest"
import { parseAddress } from "#adapters/redis/redis-address.ts"
import { redisClient } from "#adapters/redis/redis-client.ts"
import { RedisCommands } from "#adapters/redis/redis-commands.ts"
import { type HeardRoom, RedisDelivery } from "#adapters/redis/redis-delivery.ts"
import { StoreState } from "#adapters/redis/redis-store.ts"
import { encodeMessage } from "#adapters/redis/wire-message.ts"
import type { RoomName } from "#domain/room.ts"
import { messageTo, room } from "#tests/domain/made.ts"

const address = parseAddress("redis://127.0.0.1:1")
if (address === undefined) throw new Error("no address")
const client = redisClient(address)
afterAll(() => client.disconnect())

/** What a node hears, without a Redis: who is in which room, and what it is handed when. */
const node = (names: readonly string[], { logged = (_: string): boolean => true } = {}) => {
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
  const [partition] = state.partitions
  if (partition === undefined) throw new Error("no partition")
  const rooms = new Map<RoomName, HeardRoom>()
  for (const name of names)
    rooms.set(room(name), {
      name: room(name),
      partition,
      channel: name,
      logged: logged(name),
      wanted: true,
      last: 10,
      said: 0,
    })
  const handed: string[] = []
  const filled: string[] = []
  const holes: string[] = []
  const delivery = new RedisDelivery({
    state,
    roomOf: (name) => rooms.get(name),
    fill: (each) => filled.push(`from ${each.index}`),
    endEpoch: () => filled.push("end"),
    limitHit: () => {},
    nowMs: () => 0,
  })
  delivery.events = {
    deliver: ({ offset, room: name }) => handed.push(`${offset} ${name} ${state.workedOff[0]}`),
    hole: (name) => holes.push(name),
    newEpoch: () => {},
    taken: () => {},
    missed: async () => true,
  }
  state.meet(partition, "e", 10)
  delivery.release(partition)
  const hear = (offset: number, to: readonly string[], on: string, previous = 10) => {
    const heard = rooms.get(room(on))
    if (heard === undefined) throw new Error(`${on} is not heard`)
    delivery.hear(heard, `${offset} ${previous} e 0 ${encodeMessage(messageTo(to))}`)
  }
  return { delivery, partition, holes, state, rooms, handed, filled, hear }
}

describe("a message to several rooms, whose copies come one by one", () => {
  it("is delivered with its last one: until then the node has not worked it off", () => {
    const { handed, hear, state } = node(["a", "b"])
    hear(20, ["a", "b"], "a")
    expect([handed, state.workedOff[0]]).toEqual([[], 10])
    hear(20, ["a", "b"], "b")
    expect([handed, state.workedOff[0]]).toEqual([["20 a 20", "20 b 20"], 20])
  })

  it("waits for no copy of a room that is not heard, or is heard only from later on", () => {
    const { handed, hear, rooms } = node(["a", "later"])
    const later = rooms.get(room("later"))
    if (later === undefined) throw new Error("no room")
    later.last = 0
    hear(20, ["a", "unknown", "later"], "a")
    later.last = 25
    hear(21, ["a", "later"], "a", 20)
    expect(handed).toEqual(["20 a 20", "21 a 21"])
  })

  it("waits for none that is owed to nobody later on", () => {
    const { handed, hear } = node(["a", "plain"], { logged: (name) => name === "a" })
    hear(20, ["a", "plain"], "a")
    hear(20, ["a", "plain"], "plain")
    hear(21, ["plain", "a"], "plain")
    expect(handed).toEqual(["20 a 20", "20 plain 20"])
    hear(21, ["plain", "a"], "a", 20)
    expect(handed.slice(2)).toEqual(["21 plain 21", "21 a 21"])
  })

  it("is delivered without a copy whose room was given up meanwhile, before anything newer", () => {
    const { delivery, handed, hear, partition, rooms, state } = node(["a", "b", "c"])
    hear(20, ["a", "b"], "a")
    rooms.delete(room("b"))
    hear(21, ["c"], "c")
    expect(handed).toEqual(["20 a 20", "21 c 21"])
    hear(22, ["a", "c"], "a", 20)
    rooms.delete(room("c"))
    delivery.hearBeat(partition, "30 e")
    expect([handed.slice(2), state.workedOff[0]]).toEqual([["22 a 22"], 30])
  })

  it("is left to whoever fills the partition where that begins between two of them", () => {
    const { delivery, handed, hear, partition, rooms, filled } = node(["a", "b"])
    hear(20, ["a", "b"], "a")
    hear(20, ["a", "b"], "b", 15)
    expect([filled, handed]).toEqual([["from 0"], []])
    expect(rooms.get(room("a"))?.last).toBe(10)
    // What filled it has said so.
    for (const each of rooms.values()) each.last = 20
    expect(delivery.release(partition)).toBe(true)
    hear(21, ["a", "b"], "a", 20)
    hear(21, ["a", "b"], "b", 20)
    expect(handed).toEqual(["21 a 21", "21 b 21"])
  })
})

describe("a message of a wire version that this node does not know", () => {
  it("is a hole in a logged room, whose members go to look for a node that knows it, and the next one is none", () => {
    const { delivery, handed, hear, holes, rooms, filled } = node(["a", "plain"], { logged: (name) => name === "a" })
    for (const name of ["a", "plain"]) {
      const heard = rooms.get(room(name))
      if (heard !== undefined) delivery.hear(heard, "20 10 e 0 2{}\n1")
    }
    expect([holes, handed]).toEqual([["a"], []])
    hear(21, ["a"], "a", 20)
    expect([holes, handed, filled]).toEqual([["a"], ["21 a 21"], []])
  })
})
