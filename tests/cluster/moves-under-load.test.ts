import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import type { Client } from "#tests/support/client.ts"
import { type Cluster, nodeAt, startCluster, turnTo } from "#tests/support/cluster.ts"
import { addFaults, faultsOf, NO_FAULTS } from "#tests/support/tally.ts"
import { settle, until } from "#tests/support/until.ts"

const NAMES = ["open:a", "open:b", "open:c", "open:d", "open:e"]
const PLAIN = "plain:p"
const CLIENTS = 20
const PUSHERS = 3
const MOVES = 150
const PUSHES = 400
/** So many moves into the load, each time, the oldest node is killed and another started. */
const KILLS = [40, 90]

interface Target {
  readonly rooms: readonly string[]
  readonly users?: readonly string[]
}

const nameAt = (i: number): string => NAMES[i % NAMES.length] ?? ""

/** To a room, to two, or to a plain room first, a logged one and a user. */
const targetOf = (i: number): Target => {
  if (i % 7 === 0) return { rooms: [nameAt(i), nameAt(i + 3)] }
  if (i % 11 === 0) return { rooms: [PLAIN, nameAt(i)], users: [`u${i % CLIENTS}`] }
  return { rooms: [nameAt(i)] }
}

const roomsOf = (i: number): readonly string[] => [nameAt(i), nameAt(i + 1), nameAt(i + 2), PLAIN]

const isOwedTo = (i: number, target: Target): boolean =>
  target.rooms.some((room) => room !== PLAIN && roomsOf(i).includes(room)) || target.users?.includes(`u${i}`) === true

const connectAll = async (cluster: Cluster): Promise<readonly Client[]> => {
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) =>
      cluster.client(nodeAt(cluster, i % cluster.nodes.length), `u${i}`, { rooms: roomsOf(i), reconnectionDelay: 30 }),
    ),
  )
  for (const client of clients)
    client.socket.io.on("reconnect_attempt", () =>
      turnTo(client, nodeAt(cluster, Math.floor(Math.random() * cluster.nodes.length))),
    )
  return clients
}

const dropSome = (clients: readonly Client[]): void => {
  for (const client of clients) if (client.socket.connected && Math.random() < 0.25) client.drop()
}

describe.each([
  { partitions: 1, kills: [] },
  { partitions: 1, kills: KILLS },
  { partitions: 4, kills: [] },
  { partitions: 4, kills: KILLS },
])(
  "clients that move between three nodes, $partitions partitions, nodes killed after $kills moves",
  ({ kills, partitions }) => {
    it("lose nothing, get nothing twice, all of a room in order, and recover each time", async () => {
      await using cluster = await startCluster(3, { partitions })
      const clients = await connectAll(cluster)
      const targets: Target[] = []
      let running = true
      const pushing = Array.from({ length: PUSHERS }, async () => {
        while (running) {
          const i = targets.length
          const target = targetOf(i)
          targets.push(target)
          await cluster.surely(target, i)
          if (i % 20 === 0) await sleep(5)
        }
      })
      const beginnings: Promise<unknown>[] = []
      const killAt: number[] = [...kills]
      const moves = () => clients.reduce((sum, { recovered }) => sum + recovered.length - 1, 0)
      for (; moves() < MOVES || targets.length < PUSHES; await sleep(60 + Math.random() * 60)) {
        dropSome(clients)
        if (moves() < (killAt[0] ?? Number.POSITIVE_INFINITY)) continue
        killAt.shift()
        void cluster.nodes.shift()?.stop("SIGKILL")
        beginnings.push(cluster.start())
      }
      running = false
      await Promise.all([...pushing, ...beginnings])
      const owed = clients.map((_, i) => targets.flatMap((target, n) => (isOwedTo(i, target) ? [n] : [])))
      await until(
        "every message at every client",
        () =>
          clients.every(({ received, socket }, i) => {
            return socket.connected && new Set(received.map(({ data }) => data)).size >= (owed[i]?.length ?? 0)
          }),
        30_000,
      ).catch(() => undefined)
      await settle(500)
      expect(addFaults(clients.map((client, i) => faultsOf(client, owed[i] ?? [])))).toEqual(NO_FAULTS)
    })
  },
)
