import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeRegistry } from "#application/ports/node-registry.ts"
import { askRedis } from "./redis-commands.ts"
import { RedisStore } from "./redis-store.ts"

/** What each node says of itself with its lease. */
export const redisNodeRegistry: Layer.Layer<NodeRegistry, never, RedisStore> = Layer.effect(
  NodeRegistry,
  Effect.gen(function* () {
    const { lease, state } = yield* RedisStore
    return {
      list: () =>
        askRedis(async () => {
          await lease.beat()
          return [...lease.living.values()].sort((a, b) => (a.node < b.node ? -1 : 1))
        }),
      addressOf: (name) => {
        for (const { address, node } of lease.living.values()) if (node === name) return address
        return undefined
      },
      secret: () => lease.secret,
      announce: (describe) =>
        askRedis(async () => {
          lease.describe = describe
          await lease.beat()
          await state.commands.run("PUBLISH", state.newcomersChannel, "")
        }),
    }
  }),
)
