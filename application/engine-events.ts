import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { CLOSINGS } from "#domain/closing.ts"
import { LocalConnections } from "./local-connections.ts"
import { LocalRooms } from "./local-rooms.ts"
import { Engine, type EngineEvents } from "./ports/engine.ts"
import { Metrics } from "./ports/metrics.ts"
import type { Services } from "./services.ts"
import { catchUpNode } from "./use-cases/catch-up-node.ts"
import { deliverMessage } from "./use-cases/deliver-message.ts"

/** What this node does with what its engine tells it. */
export const engineEvents = (services: Context.Context<Services>, nowMs: () => number): EngineEvents => {
  const rooms = Context.get(services, LocalRooms)
  const { byId, taken } = Context.get(services, LocalConnections)
  return {
    deliver: deliverMessage(Context.get(services, Engine), rooms, Context.get(services, Metrics), nowMs),
    hole: (name) => {
      for (const { link } of [...(rooms.byName.get(name)?.members ?? [])]) link.close(CLOSINGS.historyLost)
    },
    newEpoch: () => {
      for (const { link } of [...byId.values()]) link.close(CLOSINGS.newEpoch)
    },
    taken: (sessionId, owner) => {
      taken(sessionId, owner)?.link.close(CLOSINGS.sessionTaken)
    },
    missed: (lapsed) =>
      catchUpNode(lapsed).pipe(
        Effect.as(true),
        Effect.catchCause((cause) =>
          Effect.as(Effect.logWarning("what this node missed could not be looked up yet", cause), false),
        ),
        Effect.provideContext(services),
        Effect.runPromise,
      ),
  }
}
