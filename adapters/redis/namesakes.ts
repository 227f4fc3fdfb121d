import type { NodeEntry } from "#application/ports/node-registry.ts"

export interface NamesakesOptions {
  readonly node: string
  /** This run's lease. */
  readonly lease: string
  readonly leaseMs: number
  /** Told once of each. */
  readonly tell: (namesake: NodeEntry) => void
}

/** A former run of this node is swept within two leases, also where the store was away meanwhile for less than one. */
const LEASES = 3

interface Seen {
  readonly since: number
  told: boolean
}

/**
 * Other nodes under this node's name. Each would answer for the other's connections, and be asked in its place: look-ups
 * say 404, acknowledgements are missing, requests are passed on to the wrong one.
 */
export class Namesakes {
  private seen: ReadonlyMap<string, Seen> = new Map()
  private readonly options: NamesakesOptions

  constructor(options: NamesakesOptions) {
    this.options = options
  }

  /** After each beat. `isUnbroken`: the one before it was lately, so that the dead were swept in between. */
  look(living: ReadonlyMap<string, NodeEntry>, isUnbroken: boolean, nowMs: number): void {
    const { lease: own, leaseMs, node, tell } = this.options
    const seen = new Map<string, Seen>()
    for (const [lease, entry] of living) {
      if (lease === own || entry.node !== node) continue
      const one = (isUnbroken ? this.seen.get(lease) : undefined) ?? { since: nowMs, told: false }
      seen.set(lease, one)
      if (one.told || nowMs - one.since <= LEASES * leaseMs) continue
      one.told = true
      tell(entry)
    }
    this.seen = seen
  }
}
