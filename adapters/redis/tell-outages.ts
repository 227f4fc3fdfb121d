import * as Effect from "effect/Effect"
import type { Cluster, Redis } from "ioredis"
import { LOG } from "./log.ts"

/**
 * Logs when a connection to Redis is lost, once, with the reason, and when it is there again. What that means for a
 * command its caller is told; the client itself goes on trying.
 */
export const tellOutages = Effect.fnUntraced(function* (client: Redis | Cluster) {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  let reason = "it was closed"
  let isAway = false
  client.on("error", (error: Error) => {
    reason = error.message
  })
  client.on("reconnecting", () => {
    if (isAway) return
    isAway = true
    run(Effect.annotateLogs(Effect.logWarning("the connection to Redis is lost, and tried again", { reason }), LOG))
  })
  client.on("ready", () => {
    reason = "it was closed"
    if (!isAway) return
    isAway = false
    run(Effect.annotateLogs(Effect.logInfo("the connection to Redis is there again"), LOG))
  })
})
