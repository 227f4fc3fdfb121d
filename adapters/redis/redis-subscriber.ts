import type { Cluster, Redis } from "ioredis"

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

/** The connection that hears what is published. Channels asked for in one turn of the event loop go out together. */
export class RedisSubscriber {
  private batch: Batch | undefined
  private readonly client: Redis | Cluster

  constructor(client: Redis | Cluster, events: SubscriberEvents) {
    this.client = client
    client.on("error", () => {})
    client.on("message", events.message)
    client.on("close", events.broken)
    client.on("ready", events.connected)
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
    for (let i = 0; i < channels.length; i += CHANNELS) await this.client.subscribe(...channels.slice(i, i + CHANNELS))
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    for (let i = 0; i < channels.length; i += CHANNELS)
      await this.client.unsubscribe(...channels.slice(i, i + CHANNELS))
  }

  /** Whatever it is doing: the connection is destroyed and made again. */
  restart(): void {
    this.client.disconnect(true)
  }

  close(): void {
    this.client.disconnect()
  }
}
