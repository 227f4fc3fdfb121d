import * as ManagedRuntime from "effect/ManagedRuntime"
import type { RedisOptions } from "#adapters/redis/redis-store.ts"
import { Engine, type Publish, type Published } from "#application/ports/engine.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { publishTo } from "#tests/contracts/engine-contract.ts"
import { redisLayer } from "#tests/contracts/redis-fixture.ts"
import { until } from "./until.ts"

const HISTORY = { size: 50_000, ttlMs: 3_600_000 }

export interface Heard {
  readonly room: RoomName
  readonly id: string
  readonly offset: Offset
  /** Of its partition, when it came. */
  readonly epoch: string
}

/** A node of a cluster on a Redis, and what its engine told it. */
export const startNode = async (url: string, more: Partial<RedisOptions> = {}) => {
  const runtime = ManagedRuntime.make(redisLayer(url, more))
  const engine = await runtime.runPromise(Engine)
  const sessions = await runtime.runPromise(SessionStore)
  const heard: Heard[] = []
  const told: string[] = []
  const taken: string[] = []
  engine.start({
    deliver: ({ message, offset, partition, room }) =>
      heard.push({ room, id: message.id, offset, epoch: engine.epochOf(partition) }),
    hole: (name) => told.push(`hole in ${name}`),
    newEpoch: () => told.push("new epoch"),
    taken: (id, owner) => taken.push(`${id} ${owner}`),
    missed: async () => true,
  })
  await until("the node to be fresh", () => engine.isFresh(), 30_000)
  return {
    engine,
    heard,
    told,
    taken,
    sessions,
    runtime,
    idsIn: (room: RoomName) => heard.filter((one) => one.room === room).map(({ id }) => id),
    send: (publish: Publish): Promise<Published> => runtime.runPromise(engine.publish(publish)),
    publish: (to: readonly RoomName[], key?: string): Promise<Published> =>
      runtime.runPromise(engine.publish(publishTo(to, { history: HISTORY, ...(key !== undefined && { key }) }))),
    subscribe: (room: RoomName) => runtime.runPromise(engine.subscribe(room)),
    end: () => runtime.dispose(),
  }
}

export type Node = Awaited<ReturnType<typeof startNode>>

/** One room of each partition. */
export const roomOfEach = ({ engine }: Node): readonly RoomName[] => {
  const found = new Map<number, RoomName>()
  for (let i = 0; found.size < engine.partitions; i++) {
    const room = `room-${i}` as RoomName
    if (!found.has(engine.partitionOf(room))) found.set(engine.partitionOf(room), room)
  }
  return [...found.entries()].sort(([a], [b]) => a - b).map(([, room]) => room)
}

export interface Accepted extends Published {
  readonly room: RoomName
}

/** Publishes to one room after another until told to stop, each message with a key, again until it is accepted. */
export const publishing = (node: Node, rooms: readonly RoomName[], pauseMs: number) => {
  let running = true
  let refused = 0
  const accepted: Accepted[] = []
  const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  const publishOn = async (room: RoomName) => {
    for (let i = 0; running; i++) {
      const key = `${room} ${i}`
      for (let done = false; !done; ) {
        await node.publish([room], key).then(
          (published) => {
            accepted.push({ ...published, room })
            done = true
          },
          async () => {
            refused++
            await wait(50)
          },
        )
      }
      await wait(pauseMs)
    }
  }
  const done = Promise.all(rooms.map(publishOn))
  return {
    accepted,
    get refused() {
      return refused
    },
    stop: async () => {
      running = false
      await done
    },
  }
}

/**
 * What a node was told of a room against what was accepted in it: nothing twice and in order within an epoch; no hole
 * between the first and the last that it heard of an epoch; and of the last epoch everything up to the end.
 */
export const faultsIn = (node: Node, room: RoomName, accepted: readonly Accepted[]): readonly string[] => {
  const faults: string[] = []
  const heard = node.heard.filter((one) => one.room === room)
  const epochs = [...new Set(heard.map(({ epoch }) => epoch))]
  if (epochs.length > 1 && !node.told.includes("new epoch")) faults.push(`${room}: a new epoch was not told`)
  for (const [i, epoch] of epochs.entries()) {
    const offsets = heard.filter((one) => one.epoch === epoch).map(({ offset }) => offset)
    if (offsets.some((offset, k) => k > 0 && offset <= (offsets[k - 1] ?? 0)))
      faults.push(`${room}: twice or out of order in ${epoch}`)
    const isLast = i === epochs.length - 1
    const first = offsets[0] ?? 0
    const last = isLast ? Number.POSITIVE_INFINITY : (offsets.at(-1) ?? 0)
    const got = new Set(offsets)
    for (const one of accepted)
      if (one.room === room && one.epoch === epoch && one.offset >= first && one.offset <= last && !got.has(one.offset))
        faults.push(`${room}: ${one.id} at ${one.offset} of ${epoch} is missing`)
  }
  return faults
}
