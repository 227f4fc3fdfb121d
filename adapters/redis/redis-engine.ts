import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"
import { LOG } from "./log.ts"
import { NodeEngine } from "./node-engine.ts"
import { askRedis } from "./redis-commands.ts"
import { lanesOf } from "./redis-lane.ts"
import type { RedisPartition } from "./redis-partition.ts"
import { RedisPublisher } from "./redis-publisher.ts"
import { RedisStore } from "./redis-store.ts"

const OUTAGES = {
  lost: Effect.logWarning("a subscription in Redis is lost, and made again"),
  back: Effect.logInfo("a subscription in Redis is heard again, and caught up"),
}

export const redisEngine: Layer.Layer<Engine, never, RedisStore | MessageLog | Metrics | Settings> = Layer.effect(
  Engine,
  Effect.gen(function* () {
    const { check, client, lease, state } = yield* RedisStore
    const { node, rules } = yield* Settings
    const metrics = yield* Metrics
    const log = yield* MessageLog
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const engine = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new NodeEngine({
            state,
            lease,
            lanes: (events) => lanesOf(state, client, events, check),
            node,
            isLogged: (room) => rules.historyOf(room) !== undefined,
            log,
            limitHit: metrics.limitHit,
            tell: (outage) => run(Effect.annotateLogs(OUTAGES[outage], LOG)),
            failed: (error) =>
              run(Effect.annotateLogs(Effect.logError("logs cannot be caught up with", Cause.die(error)), LOG)),
          }),
      ),
      (made) => Effect.promise(() => made.end()),
    )
    yield* Effect.promise(() => engine.connect())
    const publisher = new RedisPublisher(state, metrics.limitHit)
    metrics.observe("redis_channels", () => engine.rooms.size)
    const partitionAt = (index: number): RedisPartition => {
      const partition = state.partitions[index]
      if (partition === undefined) throw new Error(`there is no partition ${index}`)
      return partition
    }
    return {
      partitions: state.partitions.length,
      partitionOf: (room) => state.partitionOf(room).index,
      epoch: () => state.epoch,
      epochOf: (index) => partitionAt(index).epoch,
      workedOff: state.workedOff,
      recordTtlMs: state.recordTtlMs,
      isFresh: () => engine.isFresh(),
      start: (events) => engine.start(events),
      publish: (publish) =>
        Effect.flatMap(
          askRedis(() => publisher.publish(publish)),
          (answer) => (answer instanceof Refusal ? Effect.fail(answer) : Effect.succeed(answer)),
        ),
      subscribe: (room) => askRedis(() => engine.rooms.want(room)),
      unsubscribe: (room) => engine.rooms.unwant(room),
      clock: (index) => askRedis(() => state.clock(partitionAt(index))),
    }
  }),
)
