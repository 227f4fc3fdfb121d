import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import type { Client } from "#tests/support/client.ts"
import { type Cluster, nodeAt, startCluster, turnTo } from "#tests/support/cluster.ts"
import { addFaults, faultsOf, NO_FAULTS } from "#tests/support/tally.ts"
import { until } from "#tests/support/until.ts"

const NAMES = Array.from({ length: 12 }, (_, i) => `open:${i}`)
const CLIENTS = 16
const PUSHERS = 8
const MOVES = 150
const JOINS = 100
const PUSHES = 500
/** Half of it is what a gate holds: five of these messages, so that gates overflow. */
const BUFFER_BYTES = 2_048

interface Pushed {
  readonly rooms: readonly string[]
  readonly offset: string
}

const nameAt = (i: number): string => NAMES[i % NAMES.length] ?? ""

/** A client, and from which offset on it is owed what. */
interface Joiner {
  readonly client: Client
  readonly from: Map<string, string>
}

const connectAll = (cluster: Cluster): Promise<readonly Joiner[]> =>
  Promise.all(
    Array.from({ length: CLIENTS }, async (_, i) => {
      const client = await cluster.client(nodeAt(cluster, i % 3), `u${i}`, { reconnectionDelay: 20 })
      client.socket.io.on("reconnect_attempt", () =>
        turnTo(client, nodeAt(cluster, Math.floor(Math.random() * cluster.nodes.length))),
      )
      return { client, from: new Map() }
    }),
  )

/** Each room once, in a chance order; a join whose ack a move has cut off is asked for again. */
const joinAll = async ({ client, from }: Joiner, goesOn: () => boolean): Promise<void> => {
  const left = NAMES.map((name) => ({ name, at: Math.random() })).sort((one, other) => one.at - other.at)
  for (let next = left[0]; next !== undefined && goesOn(); next = left[0]) {
    const answer = client.socket.connected
      ? await client.socket
          .timeout(1_500)
          .emitWithAck("room:join", { room: next.name })
          .catch(() => undefined)
      : undefined
    if (answer?.ok === true) {
      from.set(next.name, answer.offset)
      left.shift()
      await sleep(Math.random() * 400)
    } else await sleep(10)
  }
}

const isOwed = ({ from }: Joiner, { offset, rooms }: Pushed, partitions: number): boolean =>
  // Over several partitions the answered offset is that of the first one, and says nothing of the others.
  (partitions === 1 || rooms.length === 1) && rooms.some((room) => (from.get(room) ?? "~") < offset)

describe.each([1, 4])("clients that join rooms between moves, %i partitions", (partitions) => {
  it("get everything after each join's offset once, in order, though their gates overflow", async () => {
    await using cluster = await startCluster(3, { partitions, config: { limits: { bufferBytes: BUFFER_BYTES } } })
    const joiners = await connectAll(cluster)
    const pushed: (Pushed | undefined)[] = []
    let running = true
    const pushing = Array.from({ length: PUSHERS }, async () => {
      while (running) {
        const i = pushed.push(undefined) - 1
        const rooms = i % 5 > 0 ? [nameAt(i)] : [nameAt(i), nameAt(i * 5 + 1), nameAt(i * 7 + 2)]
        const { offset } = await cluster.surely({ rooms: [...new Set(rooms)] }, i)
        pushed[i] = { rooms, offset }
      }
    })
    const joining = joiners.map((joiner) => joinAll(joiner, () => running))
    const moves = () => joiners.reduce((sum, { client }) => sum + client.recovered.length - 1, 0)
    const joins = () => joiners.reduce((sum, { from }) => sum + from.size, 0)
    const isEnough = () => moves() >= MOVES && joins() >= JOINS && pushed.length >= PUSHES
    for (; !isEnough(); await sleep(60 + Math.random() * 60))
      for (const { client } of joiners) if (client.socket.connected && Math.random() < 0.25) client.drop()
    running = false
    await Promise.all([...pushing, ...joining])
    const owed = joiners.map((joiner) =>
      pushed.flatMap((each, i) => (each !== undefined && isOwed(joiner, each, partitions) ? [i] : [])),
    )
    const faults = () => joiners.map(({ client }, i) => faultsOf(client, owed[i] ?? []))
    await until(
      "everything owed at every client",
      () => joiners.every(({ client }) => client.socket.connected) && addFaults(faults()).lost === 0,
      30_000,
    ).catch(() => undefined)
    await sleep(1_000)
    expect(addFaults(faults())).toEqual(NO_FAULTS)
    const overflows = await Promise.all(
      cluster.nodes.map(({ metric }) => metric('roomcast_limit_hits_total{limit="gate"}')),
    )
    expect(Math.max(...overflows)).toBeGreaterThan(0)
  })
})
