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

const batchesOf = (channels: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: Math.ceil(channels.length / CHANNELS) }, (_, i) =>
    channels.slice(i * CHANNELS, (i + 1) * CHANNELS),
  )

const sent = async (command: Promise<unknown>): Promise<void> => {
  try {
    await command
  } catch (error) {
    throw new RedisFailure("SUBSCRIBE", error)
  }
}

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

  async subscribeAll(channels: readonly string[]): Promise<void> {
    for (const some of batchesOf(channels)) await sent(this.client[this.sharded ? "ssubscribe" : "subscribe"](...some))
  }

  /** Sent in one turn: a channel that is asked for again meanwhile must not be given up behind that. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    await Promise.all(
      batchesOf(channels).map((some) => sent(this.client[this.sharded ? "sunsubscribe" : "unsubscribe"](...some))),
    )
  }

  /** The connection is destroyed and made again, where there is one: one that is being made is left to it. */
  restart(): void {
    if (this.isConnected) this.client.disconnect(true)
  }

  close(): void {
    this.client.disconnect()
  }
}
