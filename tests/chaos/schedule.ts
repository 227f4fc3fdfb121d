import { Random } from "./random.ts"

/** What a fault hits: one thing suffers one fault at a time, several things may suffer at once. */
export type Target = "node" | "redis" | "link" | "clients"

interface Kind {
  readonly target: Target
  /** How long it lasts: from, to. */
  readonly forMs: readonly [number, number]
  readonly about: string
}

export const KINDS = {
  "node-kill": { target: "node", forMs: [500, 5_000], about: "SIGKILL of a node, started again after a while" },
  "node-term": { target: "node", forMs: [0, 500], about: "SIGTERM of a node, started again: a rolling restart" },
  "node-pause": { target: "node", forMs: [500, 5_000], about: "SIGSTOP of a node for less than its lease" },
  "node-pause-long": { target: "node", forMs: [15_000, 15_000], about: "SIGSTOP of a node for longer than its lease" },
  "redis-kill": { target: "redis", forMs: [200, 3_000], about: "SIGKILL of Redis, started again from its file" },
  "redis-pause": { target: "redis", forMs: [500, 6_000], about: "SIGSTOP of Redis" },
  "pubsub-kill": { target: "redis", forMs: [0, 0], about: "CLIENT KILL TYPE pubsub: every subscription breaks" },
  "link-cut": { target: "link", forMs: [0, 0], about: "a node's connections to Redis are reset" },
  "link-refuse": { target: "link", forMs: [500, 5_000], about: "they are reset, and new ones are refused for a while" },
  "link-stall": { target: "link", forMs: [500, 8_000], about: "nothing passes between a node and Redis for a while" },
  "link-mute": { target: "link", forMs: [0, 0], about: "a node's subscription stays up and brings nothing any more" },
  "client-drop": { target: "clients", forMs: [0, 0], about: "some clients close their connection and come back" },
  "client-cut": { target: "clients", forMs: [0, 0], about: "some clients' sockets are destroyed" },
} as const satisfies Readonly<Record<string, Kind>>

export type FaultKind = keyof typeof KINDS

export const isFaultKind = (name: string): name is FaultKind => Object.hasOwn(KINDS, name)

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(KINDS).filter(isFaultKind)

export interface Fault {
  /** After the start of the load. */
  readonly atMs: number
  readonly kind: FaultKind
  /** Which node, or the node of which link. */
  readonly node: number
  readonly forMs: number
  /** Of the clients. */
  readonly share: number
}

export interface ScheduleOptions {
  readonly seed: number
  readonly seconds: number
  readonly kinds: readonly FaultKind[]
  readonly nodes: number
  /** The mean time between two faults. */
  readonly everyMs: number
}

const FIRST_MS = 1_000

/** The same for the same options. Every kind comes up once before any comes up again. */
export const makeSchedule = ({ everyMs, kinds, nodes, seconds, seed }: ScheduleOptions): readonly Fault[] => {
  const random = new Random(seed)
  const faults: Fault[] = []
  let round: FaultKind[] = []
  for (let atMs = FIRST_MS; atMs < seconds * 1000; atMs += random.whole(everyMs / 2, (everyMs * 3) / 2)) {
    if (round.length === 0) round = random.sample(kinds, kinds.length)
    const kind = round.pop()
    if (kind === undefined) break
    const [least, most] = KINDS[kind].forMs
    const share = 0.05 + random.next() * 0.35
    faults.push({ atMs, kind, node: random.whole(0, nodes - 1), forMs: random.whole(least, most), share })
  }
  return faults
}
