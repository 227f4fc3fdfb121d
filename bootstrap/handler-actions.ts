import * as Effect from "effect/Effect"
import type { HandlerActions } from "#application/ports/handler-actions.ts"
import type { Services } from "#application/services.ts"
import { changeMembership } from "#application/use-cases/change-membership.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { pushWithAcks } from "#application/use-cases/push-with-acks.ts"
import { Refusal } from "#domain/errors.ts"
import { parseRoomName, roomFault } from "#domain/room.ts"

export type RunPromise = <A, E>(effect: Effect.Effect<A, E, Services>) => Promise<A>

/** What handlers may do, run in the node's runtime, which is there only after the handlers were loaded. */
export const handlerActions = (runPromise: () => RunPromise): HandlerActions["Service"] => {
  const membership = (change: "join" | "leave") => (connectionId: string, name: string) => {
    const room = parseRoomName(name)
    return room === undefined
      ? runPromise()(Effect.fail(new Refusal("invalid_request", roomFault(name) ?? "not a room")))
      : runPromise()(Effect.asVoid(changeMembership({ change, of: { connectionId }, room })))
  }
  return {
    push: (push) => runPromise()(publishMessage({ push, from: "handler", idempotency: undefined })),
    pushWithAcks: (push, timeoutMs) =>
      runPromise()(pushWithAcks({ push, from: "handler", timeoutMs, idempotency: undefined })),
    join: membership("join"),
    leave: membership("leave"),
  }
}
