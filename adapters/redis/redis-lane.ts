import { Cluster, Command, type Redis } from "ioredis"
import { type ClientOptions, slotClient } from "./redis-client.ts"
import type { RedisPartition } from "./redis-partition.ts"
import type { StoreState } from "./redis-store.ts"
import { RedisSubscriber } from "./redis-subscriber.ts"

export interface LaneEvents {
  readonly message: (channel: string, text: string) => void
  /** What is published on it from here on may not be heard. */
  readonly broken: (lane: RedisLane, wasWhole: boolean) => void
  /** Its connection is there, subscribed to nothing. */
  readonly connected: (lane: RedisLane) => void
}

/**
 * A subscription, what it brings, and how it is. A server alone has one for everything. On a cluster each partition has
 * its own, to the node that serves its slot, so that one whose node fails holds up no other; and one more is for what
 * concerns the whole store, which any node of a cluster passes on to every other.
 */
export class RedisLane {
  readonly subscriber: RedisSubscriber
  readonly partitions: readonly RedisPartition[]
  /** It brings what concerns the whole store. */
  readonly isWide: boolean
  /** Grows with each break. */
  breaks = 0
  /** To everything, and caught up. */
  subscribed = false
  /** It broke after it had been whole, and is not whole again. */
  isLost = false
  /** When a beat of the lane itself came last, ms since 1970. */
  beatAt = 0

  constructor(
    client: Redis,
    brings: { readonly partitions: readonly RedisPartition[]; readonly isWide: boolean },
    events: LaneEvents,
  ) {
    this.partitions = brings.partitions
    this.isWide = brings.isWide
    this.subscriber = new RedisSubscriber(
      client,
      {
        message: events.message,
        broken: () => {
          this.breaks++
          const wasWhole = this.subscribed
          this.subscribed = false
          events.broken(this, wasWhole)
        },
        connected: () => events.connected(this),
      },
      !brings.isWide,
    )
  }
}

/** `client` is the one for commands, which knows the nodes of a cluster. */
export const lanesOf = (
  { options: { address }, partitions }: StoreState,
  client: Redis | Cluster,
  events: LaneEvents,
  more: ClientOptions = {},
): readonly RedisLane[] => {
  if (!(client instanceof Cluster)) return [new RedisLane(client.duplicate(), { partitions, isWide: true }, events)]
  const to = (slot?: number) => slotClient(address, client, slot, more)
  return [
    new RedisLane(to(), { partitions: [], isWide: true }, events),
    ...partitions.map((partition) => {
      const slot = new Command("get", [partition.lifeKeys[0]]).getSlot()
      return new RedisLane(to(slot), { partitions: [partition], isWide: false }, events)
    }),
  ]
}
