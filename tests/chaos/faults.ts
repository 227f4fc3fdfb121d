import { setTimeout as sleep } from "node:timers/promises"
import { until } from "#tests/support/until.ts"
import type { Cluster } from "./cluster.ts"
import type { Random } from "./random.ts"
import type { NodeDeath } from "./return-times.ts"
import { type Fault, type FaultKind, KINDS } from "./schedule.ts"
import type { Workers } from "./workers.ts"

/** A fault as it happened; ms since the run began. */
export interface Happened {
  readonly kind: FaultKind
  readonly what: string
  readonly from: number
  to: number
}

export interface Surroundings {
  readonly cluster: Cluster
  readonly workers: Workers
  readonly clients: number
  readonly random: Random
  readonly now: () => number
}

const LINK_GIVEN_UP_MS = 30_000

/** Lets the schedule happen. */
export class Faults {
  readonly happened: Happened[] = []
  /** Of nodes, by SIGKILL. */
  readonly deaths: NodeDeath[] = []
  /** What should not have followed a fault. */
  readonly failures: string[] = []
  private readonly around: Surroundings
  /** One thing suffers one fault at a time: the end of the last one for each. */
  private readonly ends = new Map<string, Promise<void>>()

  constructor(around: Surroundings) {
    this.around = around
  }

  /** Until the last fault of the schedule is over, and everything runs again. */
  async run(schedule: readonly Fault[]): Promise<void> {
    for (const fault of schedule) {
      const wait = fault.atMs - this.around.now()
      if (wait > 0) await sleep(wait)
      const target = KINDS[fault.kind].target
      const key = target === "node" || target === "link" ? `${target} ${fault.node}` : target
      const before = this.ends.get(key) ?? Promise.resolve()
      this.ends.set(
        key,
        before
          .then(() => this.happen(fault))
          .catch((error: unknown) => {
            this.failures.push(`${fault.kind}: ${String(error)}`)
          }),
      )
    }
    await Promise.all(this.ends.values())
  }

  private async happen(fault: Fault): Promise<void> {
    const one: Happened = { kind: fault.kind, what: this.describe(fault), from: this.around.now(), to: 0 }
    one.to = Number.POSITIVE_INFINITY
    this.happened.push(one)
    await this.cause(fault)
    one.to = this.around.now()
  }

  private describe({ forMs, kind, node, share }: Fault): string {
    const { target } = KINDS[kind]
    const whom =
      target === "clients" ? ` of ${Math.round(share * 100)} %` : target === "redis" ? "" : ` of node-${node + 1}`
    return `${kind}${whom}${forMs > 0 ? ` for ${forMs} ms` : ""}`
  }

  private async cause({ forMs, kind, node: nodeIndex, share }: Fault): Promise<void> {
    const { clients, cluster, now, random, workers } = this.around
    const { redis } = cluster
    const node = cluster.nodes[nodeIndex]!
    const link = cluster.links[nodeIndex]!
    switch (kind) {
      case "node-kill":
        this.deaths.push({ node: node.id, at: now() })
        await node.stop("SIGKILL")
        await sleep(forMs)
        return await node.start()
      case "node-term": {
        const code = await node.stop("SIGTERM")
        if (code !== 0) this.failures.push(`${node.id} answered SIGTERM with ${code}`)
        await sleep(forMs)
        return await node.start()
      }
      case "node-pause":
      case "node-pause-long":
        node.signal("SIGSTOP")
        await sleep(forMs)
        node.signal("SIGCONT")
        return await node.start()
      case "redis-kill":
        redis.signal("SIGKILL")
        await sleep(forMs)
        return await redis.restart()
      case "redis-pause":
        redis.signal("SIGSTOP")
        await sleep(forMs)
        redis.signal("SIGCONT")
        return
      case "pubsub-kill":
        return await until("a subscription to kill", async () => {
          const killed = await redis.client.call("CLIENT", "KILL", "TYPE", "pubsub")
          return Number(killed) > 0
        })
      case "link-cut":
        link.cut()
        return
      case "link-refuse":
        await link.refuse(forMs)
        return
      case "link-stall":
        await link.stall(forMs)
        return
      case "link-mute":
        await until(`${node.id} to have a subscription`, () => link.mute() > 0, LINK_GIVEN_UP_MS)
        return await until(`${node.id} to give its silent subscription up`, () => link.muted === 0, LINK_GIVEN_UP_MS)
      case "client-drop":
      case "client-cut": {
        const chosen = random.sample(
          Array.from({ length: clients }, (_, i) => i),
          Math.ceil(clients * share),
        )
        await workers.leave(kind === "client-drop" ? "drop" : "cut", chosen)
      }
    }
  }
}
