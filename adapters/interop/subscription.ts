import { type Cluster, Redis } from "ioredis"

type Client = Redis | Cluster
type Listener = (...args: (Buffer | string | null)[]) => unknown

/** A subscription can be up and silent: it is asked now and then, and made anew where nothing comes back. */
const PING_MS = 5_000
/** Where Redis refuses it, as it does without the right to these channels. */
const AGAIN_MS = 1_000

/**
 * The stock adapter's client to subscribe with. What it asks for is subscribed to at each new connection, and what comes
 * is heard by others first: it reads what it gets without a guard, and a foreign message would end the process.
 */
export class Subscription {
  private readonly channels = new Set<string>()
  private readonly patterns = new Set<string>()
  private readonly listeners = new Map<string, Listener>()
  private readonly timer: NodeJS.Timeout
  private again: NodeJS.Timeout | undefined
  private readonly client: Client
  private readonly failed: (error: unknown) => void

  constructor(client: Client, failed: (error: unknown) => void) {
    this.client = client
    this.failed = failed
    client.on("ready", () => this.renew())
    this.timer = setInterval(() => this.ping(), PING_MS)
    this.timer.unref()
  }

  subscribe(channels: readonly string[]): void {
    for (const channel of channels) this.channels.add(channel)
  }

  psubscribe(pattern: string): void {
    this.patterns.add(pattern)
  }

  on(event: string, listener: Listener): void {
    this.listeners.set(event, listener)
  }

  off(event: string): void {
    this.listeners.delete(event)
  }

  unsubscribe(): void {
    this.channels.clear()
  }

  punsubscribe(): void {
    this.patterns.clear()
  }

  /** The channels that hold answers to others are none of ours, for we ask nothing. */
  leaveOut(isNotOurs: (channel: string) => boolean): void {
    for (const channel of [...this.channels]) if (isNotOurs(channel)) this.channels.delete(channel)
  }

  /** What the stock adapter does with a message; may throw, or be rejected. */
  async hand(event: "pmessageBuffer" | "messageBuffer", ...args: (Buffer | string | null)[]): Promise<void> {
    await this.listeners.get(event)?.(...args)
  }

  close(): void {
    clearInterval(this.timer)
    clearTimeout(this.again)
    this.client.disconnect()
  }

  private renew(): void {
    clearTimeout(this.again)
    Promise.all([this.client.psubscribe(...this.patterns), this.client.subscribe(...this.channels)]).catch(
      (error: unknown) => {
        this.failed(error)
        if (this.client.status !== "ready") return
        this.again = setTimeout(() => this.renew(), AGAIN_MS)
        this.again.unref()
      },
    )
  }

  /** A cluster's client looks after its subscriber itself, and has no other connection that says how that one is. */
  private ping(): void {
    if (!(this.client instanceof Redis) || this.client.status !== "ready") return
    this.client.ping().catch((error: unknown) => {
      this.failed(error)
      this.client.disconnect(true)
    })
  }
}
