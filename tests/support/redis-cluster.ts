import { Command } from "ioredis"
import { freePort } from "./free-port.ts"
import { type RedisProcess, startProcess } from "./redis-process.ts"
import type { TlsFiles } from "./tls-files.ts"
import { until } from "./until.ts"

const MASTERS = 3
const SLOTS = 16_384

export interface RedisCluster {
  readonly url: string
  readonly nodes: readonly RedisProcess[]
  /** Who serves the slot of that key now, asked of the nodes that run. */
  readonly masterOf: (key: string) => Promise<RedisProcess>
  readonly replicaOf: (master: RedisProcess) => Promise<RedisProcess>
  /** Every node runs, every slot is served and has a replica, and each node says so. */
  readonly isWhole: () => Promise<boolean>
  /** `halfWay` is done while the slot has been announced to move, and none of its keys was moved. */
  readonly moveSlotOf: (key: string, to: RedisProcess, halfWay?: () => Promise<void>) => Promise<void>
  readonly stop: () => Promise<void>
}

export const slotOf = (key: string): number => new Command("get", [key]).getSlot()

const field = (text: string, name: string): string | undefined => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(text)?.[1]

const infoOf = (node: RedisProcess, name: string): Promise<string | undefined> =>
  node.client.info().then(
    (text) => field(text, name),
    () => undefined,
  )

/** `CLUSTER SLOTS`: first and last slot, and the ports of master and replicas. */
const slotsOf = async (node: RedisProcess): Promise<{ first: number; last: number; ports: number[] }[]> => {
  const rows: unknown = await node.client.call("CLUSTER", "SLOTS").catch(() => [])
  if (!Array.isArray(rows)) return []
  return rows.map(([first, last, ...served]) => ({
    first: Number(first),
    last: Number(last),
    ports: served.map((one: unknown) => (Array.isArray(one) ? Number(one[1]) : 0)),
  }))
}

/** Three masters with a replica each, put together by hand, so that each bus has a free port of its own. */
export const startRedisCluster = async (tls?: TlsFiles): Promise<RedisCluster> => {
  const busPorts: number[] = []
  const startNode = (i: number) =>
    startProcess({
      args: async (port, directory) => {
        const busPort = await freePort()
        busPorts[i] = busPort
        return [
          ...["--bind", "127.0.0.1", "--dir", directory, "--save", "", ...(tls?.args(port) ?? ["--port", `${port}`])],
          ...["--cluster-enabled", "yes", "--cluster-port", `${busPort}`, "--cluster-config-file", "nodes.conf"],
          ...["--cluster-node-timeout", "1500", "--cluster-replica-validity-factor", "0"],
          ...["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"],
        ]
      },
      ...(tls !== undefined && { connect: { tls: { ca: tls.ca } } }),
    })
  const nodes = await Promise.all(Array.from({ length: 2 * MASTERS }, (_, i) => startNode(i)))
  const run = (node: RedisProcess, ...args: (string | number)[]) => node.client.call("CLUSTER", ...args)
  for (const [i, node] of nodes.entries()) await run(node, "SET-CONFIG-EPOCH", i + 1)
  const masters = nodes.slice(0, MASTERS)
  for (const [i, master] of masters.entries())
    await run(master, "ADDSLOTSRANGE", Math.floor((i * SLOTS) / MASTERS), Math.floor(((i + 1) * SLOTS) / MASTERS) - 1)
  const [head] = nodes
  if (head === undefined) throw new Error("there are no nodes")
  for (const [i, node] of nodes.entries()) if (i > 0) await run(head, "MEET", "127.0.0.1", node.port, busPorts[i] ?? 0)
  const ids = await Promise.all(nodes.map(async (node) => String(await run(node, "MYID"))))
  await until("the nodes to know one another", async () => {
    const known = await Promise.all(nodes.map(async (node) => String(await run(node, "NODES"))))
    return known.every((text) => ids.every((id) => text.includes(id)) && !text.includes("handshake"))
  })
  for (const [i, node] of nodes.slice(MASTERS).entries()) await run(node, "REPLICATE", ids[i] ?? "")

  const isWhole = async () => {
    const views = await Promise.all(
      nodes.map(async (node) => {
        if (node.client.status !== "ready") return false
        const state = field(String(await run(node, "INFO").catch(() => "")), "cluster_state")
        const isLinked =
          (await infoOf(node, "role")) === "master" || (await infoOf(node, "master_link_status")) === "up"
        const rows = await slotsOf(node)
        return state === "ok" && isLinked && rows.length >= MASTERS && rows.every(({ ports }) => ports.length > 1)
      }),
    )
    return views.every(Boolean)
  }
  const rowOf = async (slot: number) => {
    for (const node of nodes) {
      if (node.client.status !== "ready" || (await infoOf(node, "role")) !== "master") continue
      const row = (await slotsOf(node)).find(({ first, last }) => first <= slot && slot <= last)
      if (row !== undefined) return row
    }
    throw new Error(`nobody serves slot ${slot}`)
  }
  const at = (port: number | undefined): RedisProcess => {
    const found = nodes.find((node) => node.port === port)
    if (found === undefined) throw new Error(`there is no node at ${port}`)
    return found
  }
  const masterOf = async (key: string) => at((await rowOf(slotOf(key))).ports[0])
  await until("the cluster to be whole", isWhole)
  return {
    url: `redis${tls === undefined ? "" : "s"}+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    nodes,
    masterOf,
    replicaOf: async (master) => {
      const row = (await slotsOf(master)).find(({ ports }) => ports[0] === master.port)
      return at(row?.ports[1])
    },
    isWhole,
    moveSlotOf: async (key, to, halfWay) => {
      const slot = slotOf(key)
      const from = await masterOf(key)
      const [fromId, toId] = [String(await run(from, "MYID")), String(await run(to, "MYID"))]
      await run(to, "SETSLOT", slot, "IMPORTING", fromId)
      await run(from, "SETSLOT", slot, "MIGRATING", toId)
      await halfWay?.()
      for (;;) {
        const keys: unknown = await run(from, "GETKEYSINSLOT", slot, 100)
        if (!Array.isArray(keys) || keys.length === 0) break
        await from.client.call("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", ...keys.map(String))
      }
      for (const node of [to, from]) await run(node, "SETSLOT", slot, "NODE", toId)
    },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}
