import { setTimeout as sleep } from "node:timers/promises"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { readMerged } from "#application/log-reader.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { RedisFailure } from "./redis-commands.ts"
import type { RedisDelivery } from "./redis-delivery.ts"
import type { RedisLane } from "./redis-lane.ts"
import type { RedisPartition } from "./redis-partition.ts"
import type { RedisRooms } from "./redis-rooms.ts"
import type { StoreState } from "./redis-store.ts"

const FILL_RETRY_MS = 100

interface FillerParts {
  readonly state: StoreState
  readonly log: MessageLog["Service"]
  readonly rooms: RedisRooms
  readonly delivery: RedisDelivery
  readonly laneOf: (partition: RedisPartition) => RedisLane
  readonly isEnded: () => boolean
  /** Told once for each fill of what no Redis that is back mends. */
  readonly failed: (error: unknown) => void
}

/** Reads from the logs what a subscription did not bring. */
export class PartitionFiller {
  private readonly parts: FillerParts

  constructor(parts: FillerParts) {
    this.parts = parts
  }

  /**
   * Delivers what the logs of the partition's rooms hold and this node has not had, up to the clock, while what is newer
   * waits. A room whose log is not whole closes its members only. Ends when it is done or the subscription broke.
   */
  async fill(partition: RedisPartition): Promise<void> {
    const { delivery, failed, isEnded, laneOf } = this.parts
    delivery.hold(partition, false)
    const lane = laneOf(partition)
    const { breaks } = lane
    let isTold = false
    while (breaks === lane.breaks && !isEnded()) {
      try {
        if ((await this.catchUp(partition, breaks)) && delivery.release(partition)) return
      } catch (error) {
        if (!(error instanceof RedisFailure) && !isTold) {
          isTold = true
          failed(error)
        }
        await sleep(FILL_RETRY_MS)
      }
    }
  }

  /** False: another epoch began meanwhile, or the subscription broke: what comes by the next one is not yet heard. */
  private async catchUp(partition: RedisPartition, breaks: number): Promise<boolean> {
    const { delivery, laneOf, log, rooms: heard, state } = this.parts
    const { epoch } = partition
    const lane = laneOf(partition)
    const upTo = await state.clock(partition)
    if (breaks !== lane.breaks) return false
    if (epoch !== "" && partition.epoch !== epoch) return false
    const rooms = [...heard.all].filter((room) => room.partition === partition && room.logged && room.last > 0)
    // A room that was idle for long has lost its record: the last beat says as much as that did.
    const idle = state.recordTtlMs * 500
    const cursors = rooms.map((room) => ({
      room: room.name,
      after: partition.mark - room.last > idle ? partition.mark : room.last,
    }))
    if (cursors.length > 0) {
      const read = readMerged(partition.index, cursors, upTo, ({ holes, publications }) =>
        Effect.sync(() => {
          if (breaks !== lane.breaks) return
          for (const name of holes) delivery.events?.hole(name)
          for (const publication of publications) {
            const room = heard.named(publication.room)
            if (room !== undefined) delivery.fillIn(room, publication)
          }
        }),
      )
      const exit = await Effect.runPromiseExit(Effect.provideService(read, MessageLog, log))
      if (exit._tag === "Failure")
        throw Cause.hasDies(exit.cause)
          ? Cause.squash(exit.cause)
          : new RedisFailure("the logs", "they could not be read")
      if (breaks !== lane.breaks || partition.epoch !== epoch) return false
    }
    const { workedOff } = state
    workedOff[partition.index] = Math.max(workedOff[partition.index] ?? 0, upTo)
    partition.mark = Math.max(partition.mark, upTo)
    partition.beatAt = Date.now()
    for (const room of rooms) room.last = Math.max(room.last, upTo)
    return true
  }
}
