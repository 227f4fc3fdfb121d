import type { Redis } from "ioredis"
import { RedisFailure } from "./redis-commands.ts"

export interface SubscriberEvents {
  readonly message: (channel: string, text: string) => void
  /** What is published from here on may not be heard. */
  readonly broken: () => void
  /** The connection is there, subscribed to nothing. */
  readonly connected: () => void
}

/** Of one command. */
const CHANNELS = 1_000

interface Batch {
  readonly channels: Set<string>
  readonly done: Promise<void>
}

/**
 * The connection that hears what is published. Channels asked for in one turn of the event loop go out together. A
 * sharded one is of channels of one slot, on the node that serves it.
 */
export class RedisSubscriber {
  private batch: Batch | undefined
  private readonly client: Redis
  private readonly sharded: boolean

  constructor(client: Redis, events: SubscriberEvents, sharded = false) {
    this.client = client
    this.sharded = sharded
    client.on("error", () => {})
    client.on(sharded ? "smessage" : "message", events.message)
    client.on("close", events.broken)
    client.on("ready", events.connected)
    // The driver's word for the slot having gone to another node.
    client.on("moved", () => this.restart())
  }

  get isConnected(): boolean {
    return this.client.status === "ready"
  }

  /** Done when it is connected, or the first try failed: it goes on trying by itself. */
  async connect(): Promise<void> {
    await this.client.connect().catch(() => {})
  }

  subscribe(channel: string): Promise<void> {
    if (this.batch === undefined) {
      const channels = new Set<string>()
      const done = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        this.batch = undefined
        return this.subscribeAll([...channels])
      })
      this.batch = { channels, done }
    }
    this.batch.channels.add(channel)
    return this.batch.done
  }

  subscribeAll(channels: readonly string[]): Promise<void> {
    return this.each(channels, (some) => this.client[this.sharded ? "ssubscribe" : "subscribe"](...some))
  }

  unsubscribe(channels: readonly string[]): Promise<void> {
    return this.each(channels, (some) => this.client[this.sharded ? "sunsubscribe" : "unsubscribe"](...some))
  }

  /** The connection is destroyed and made again, where there is one: one that is being made is left to it. */
  restart(): void {
    if (this.isConnected) this.client.disconnect(true)
  }

  close(): void {
    this.client.disconnect()
  }

  private async each(channels: readonly string[], run: (some: readonly string[]) => Promise<unknown>): Promise<void> {
    try {
      for (let i = 0; i < channels.length; i += CHANNELS) await run(channels.slice(i, i + CHANNELS))
    } catch (error) {
      throw new RedisFailure("SUBSCRIBE", error)
    }
  }
}
