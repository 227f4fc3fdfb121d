import { afterAll, describe, expect, it } from "vitest"
import { redisClient } from "#adapters/redis/redis-client.ts"
import { RedisCommands } from "#adapters/redis/redis-commands.ts"
import { type HeardRoom, RedisDelivery } from "#adapters/redis/redis-delivery.ts"
import { StoreState } from "#adapters/redis/redis-store.ts"
import { encodeMessage } from "#adapters/redis/wire-message.ts"
import type { RoomName } from "#domain/room.ts"
import { messageTo, room } from "#tests/domain/made.ts"
import { STORE_OPTIONS } from "./store-fixture.ts"

const client = redisClient(STORE_OPTIONS.address)
afterAll(() => client.disconnect())

/** What a node hears, without a Redis: who is in which room, and what it is handed when. */
const node = (names: readonly string[], { logged = (_: string): boolean => true } = {}) => {
  const commands = new RedisCommands(client, () => {})
  const state = new StoreState({ commands, replicated: commands }, STORE_OPTIONS, 0)
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
  const delivery = new RedisDelivery({
    state,
    roomOf: (name) => rooms.get(name),
    fill: (each) => filled.push(`from ${each.index}`),
    endEpoch: () => filled.push("end"),
    limitHit: (limit) => filled.push(limit),
    nowMs: () => 0,
  })
  delivery.events = {
    deliver: ({ offset, room: name }) => handed.push(`${offset} ${name} ${state.workedOff[0]}`),
    hole: (name) => handed.push(`hole in ${name} ${state.workedOff[0]}`),
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
  const hearText = (offset: number, on: string, text: string, volatile = 0) => {
    const heard = rooms.get(room(on))
    if (heard === undefined) throw new Error(`${on} is not heard`)
    delivery.hear(heard, `${offset} ${heard.last} e ${volatile} ${text}`)
  }
  return { delivery, partition, state, rooms, handed, filled, hear, hearText }
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

  it("waits for one that is not logged too: who left its room between two copies would have it twice", () => {
    const { handed, hear } = node(["a", "plain", "other"], { logged: (name) => name === "a" })
    hear(20, ["a", "plain"], "a")
    expect(handed).toEqual([])
    hear(20, ["a", "plain"], "plain")
    expect(handed).toEqual(["20 a 20", "20 plain 20"])
    hear(21, ["plain", "a"], "plain")
    hear(21, ["plain", "a"], "a", 20)
    hear(22, ["plain", "other"], "plain")
    expect(handed.slice(2)).toEqual(["21 plain 21", "21 a 21"])
    hear(22, ["plain", "other"], "other")
    expect(handed.slice(4)).toEqual(["22 plain 22", "22 other 22"])
  })

  it("is handed over to rooms that are not logged, no position moved, where filling begins between two of them", () => {
    const { handed, hear, filled, state } = node(["plain", "idle"], { logged: (name) => name === "idle" })
    hear(20, ["plain", "idle"], "plain")
    hear(20, ["plain", "idle"], "idle", 15)
    expect([filled, handed, state.workedOff[0]]).toEqual([["from 0"], ["20 plain 10"], 10])
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

describe("what this node cannot read", () => {
  it.each([
    ["of another version", "2{}\nnull"],
    ["of a version that begins as its own does", "10{}\nnull"],
    ["foreign", "1{\nnull"],
  ])("%s, is a hole in its room before any position moves past it", (_, text) => {
    const { delivery, handed, hear, hearText, partition } = node(["a", "b"])
    hearText(20, "a", text)
    delivery.hearBeat(partition, "25 e")
    hear(30, ["a"], "a", 20)
    expect(handed).toEqual(["hole in a 10", "30 a 30"])
  })

  it("is passed over where it is owed to nobody later on", () => {
    const { handed, hearText } = node(["a", "plain"], { logged: (name) => name === "a" })
    hearText(20, "plain", "2{}\nnull")
    hearText(21, "a", "2{}\nnull", 1)
    expect(handed).toEqual([])
  })
})

describe("what waits while a partition is filled", () => {
  it("and expires meanwhile is worked off, and delivered to nobody; neither is what fills it and has expired", () => {
    const { delivery, handed, partition, rooms, state } = node(["a"])
    const a = rooms.get(room("a"))
    if (a === undefined) throw new Error("no room")
    delivery.hold(partition, false)
    const expired = { ...messageTo(["a"]), expiresAt: 0 }
    delivery.fillIn(a, { room: a.name, partition: 0, offset: 20, message: expired })
    delivery.fillIn(a, { room: a.name, partition: 0, offset: 21, message: { ...expired, expiresAt: 1 } })
    delivery.hear(a, `22 21 e 0 ${encodeMessage(expired)}`)
    expect([delivery.release(partition), handed, a.last, state.workedOff[0]]).toEqual([true, ["21 a 21"], 22, 22])
    // In time by its sender's clock, which may be behind this node's.
    delivery.hear(a, `23 22 e 0 ${encodeMessage(expired)}`)
    expect(handed).toEqual(["21 a 21", "23 a 23"])
  })

  it("is bounded by its size too: what overflows is read from the log again", () => {
    const { delivery, filled, handed, hearText, partition } = node(["a"])
    delivery.hold(partition, false)
    const large = "x".repeat(1_048_576)
    for (let i = 0; i < 65; i++) hearText(20 + i, "a", large)
    expect([filled, delivery.release(partition)]).toEqual([["publications_waiting"], false])
    expect([delivery.release(partition), handed]).toEqual([true, []])
  })
})
