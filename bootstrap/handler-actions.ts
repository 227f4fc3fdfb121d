import * as Effect from "effect/Effect"
import { LocalConnections } from "#application/local-connections.ts"
import type { HandlerActions } from "#application/ports/handler-actions.ts"
import { enterRoom, exitRoom } from "#application/room-membership.ts"
import type { Services } from "#application/services.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { Refusal } from "#domain/errors.ts"
import { parseRoomName, roomFault } from "#domain/room.ts"

export type RunPromise = <A, E>(effect: Effect.Effect<A, E, Services>) => Promise<A>

const membership = (connectionId: string, name: string) =>
  Effect.gen(function* () {
    const { byId } = yield* LocalConnections
    const room = parseRoomName(name)
    if (room === undefined) return yield* Effect.fail(new Refusal("invalid_request", roomFault(name) ?? "not a room"))
    const connection = byId.get(connectionId)
    if (connection === undefined) return yield* Effect.fail(new Refusal("not_found", "the connection is gone"))
    return { connection, room }
  })

/** What handlers may do, run in the node's runtime, which is there only after the handlers were loaded. */
export const handlerActions = (runPromise: () => RunPromise): HandlerActions["Service"] => ({
  push: (push) => runPromise()(publishMessage({ push, from: "handler", idempotency: undefined })),
  join: (connectionId, name) =>
    runPromise()(
      Effect.gen(function* () {
        const { connection, room } = yield* membership(connectionId, name)
        yield* enterRoom(connection, room, "backend")
      }),
    ),
  leave: (connectionId, name) =>
    runPromise()(
      Effect.gen(function* () {
        const { connection, room } = yield* membership(connectionId, name)
        yield* exitRoom(connection, room)
      }),
    ),
})
