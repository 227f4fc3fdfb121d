import { randomBytes } from "node:crypto"
import type { NodeEntry } from "#application/ports/node-registry.ts"
import { keysNamed, luaScript } from "./lua-script.ts"
import { Namesakes } from "./namesakes.ts"
import type { RedisCommands } from "./redis-commands.ts"

const BEAT = luaScript("lease-beat", "directory")
const SEEN = luaScript("lease-seen", "directory")
const END = luaScript("lease-end", "directory")

/** Of dead nodes' connections, by one beat. */
const SWEPT_AT_ONCE = 500

export interface LeaseOptions {
  readonly prefix: string
  readonly node: string
  readonly leaseMs: number
  /** Of a departed connection. */
  readonly graceMs: number
  /** For so long it is remembered when a dead node was seen. */
  readonly rememberMs: number
  /** Another node that lives has this one's name. */
  readonly namesake: (node: NodeEntry) => void
}

/** What a node of another version says is taken as far as it is understood. */
const entryOf = (json: string): NodeEntry | undefined => {
  const { address, connections, node, rooms, startedAt, version }: Partial<NodeEntry> = JSON.parse(json)
  if (node === undefined || address === undefined) return undefined
  return {
    node,
    version: version ?? "",
    address,
    startedAt: startedAt ?? 0,
    connections: connections ?? 0,
    rooms: rooms ?? 0,
  }
}

/** `lease, JSON, …` */
const livingOf = (flat: readonly unknown[]): ReadonlyMap<string, NodeEntry> => {
  const living = new Map<string, NodeEntry>()
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const entry = entryOf(String(flat[i + 1]))
    if (entry !== undefined) living.set(String(flat[i]), entry)
  }
  return living
}

/**
 * What says that this run of the node lives: presence and directory entries belong to it. Each beat renews it, brings
 * what the others say of themselves, and sweeps what the dead have left.
 */
export class NodeLease {
  /** Of this run: a node that starts again under its name does not take its former entries for living ones. */
  readonly id: string
  /** What this node says of itself. */
  describe: (() => NodeEntry) | undefined
  /** Known to the nodes of the cluster only. */
  secret: string | undefined
  /** The living nodes, as of the last beat, by lease. */
  living: ReadonlyMap<string, NodeEntry> = new Map()
  /** How often somebody may have swept this node's entries. */
  lapses = 0
  /** Of these, so many are made good: the entries were written again since. */
  private madeGood = 0
  /** Of the last beat that was answered, by performance.now(). */
  private beatenAt = Number.NEGATIVE_INFINITY
  private readonly commands: RedisCommands
  private readonly options: LeaseOptions
  private readonly namesakes: Namesakes

  constructor(commands: RedisCommands, options: LeaseOptions) {
    this.commands = commands
    this.options = options
    this.id = `${options.node}/${randomBytes(6).toString("base64url")}`
    const { leaseMs, namesake: tell, node } = options
    this.namesakes = new Namesakes({ node, lease: this.id, leaseMs, tell })
  }

  /** It was renewed so lately that nobody can have swept this node's entries. */
  get isHeld(): boolean {
    return performance.now() - this.beatenAt <= this.options.leaseMs
  }

  /** Somebody may have swept this node's entries since they were written: they are to be written again. */
  get lapsed(): boolean {
    return this.lapses > this.madeGood
  }

  /** They were written again, beginning when it had lapsed so often: it may have lapsed once more meanwhile. */
  makeGood(lapses: number): void {
    this.madeGood = Math.max(this.madeGood, lapses)
  }

  async beat(): Promise<void> {
    const { graceMs, leaseMs, rememberMs } = this.options
    const { isHeld: wasHeld } = this
    const candidate = randomBytes(32).toString("base64url")
    const about = JSON.stringify(this.describe?.() ?? {})
    const args = [this.id, about, leaseMs, graceMs, rememberMs, SWEPT_AT_ONCE, candidate]
    for (let more = true; more; ) {
      const began = performance.now()
      const found = await this.run(BEAT, args)
      const [held, left, secret, ...nodes] = Array.isArray(found) ? found : []
      if (!wasHeld || held !== 1) this.lapses++
      this.beatenAt = began
      this.secret = String(secret)
      this.living = livingOf(nodes)
      this.namesakes.look(this.living, wasHeld, began)
      more = left === 1
    }
  }

  /** When the node of a lease was last seen, ms since 1970; undefined: it may live. */
  async lastSeen(lease: string): Promise<number | undefined> {
    if (lease === this.id || this.living.has(lease)) return undefined
    const last = await this.run(SEEN, [lease, this.options.leaseMs])
    return last === "" ? undefined : Number(last)
  }

  async end(): Promise<void> {
    await this.run(END, [this.id])
  }

  private run(script: typeof BEAT, args: readonly (string | number)[]): Promise<unknown> {
    return this.commands.script(script, keysNamed(`${this.options.prefix}:{directory}`), args)
  }
}
