import * as Effect from "effect/Effect"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"
import { invalidRequest } from "#domain/invalid-request.ts"
import { parseRoomName, roomFault } from "#domain/room.ts"

export interface ChangeLocalMembership {
  readonly change: "join" | "leave"
  readonly connection: LocalConnection
  /** As another program names it. */
  readonly room: unknown
}

/** Joins or leaves a room on behalf of a connection of this node, by the same code as a backend's wish. */
export const changeLocalMembership = Effect.fnUntraced(function* ({ change, connection, room }: ChangeLocalMembership) {
  const name = parseRoomName(room)
  if (name === undefined)
    return yield* Effect.fail(invalidRequest([{ pointer: "/room", detail: roomFault(room) ?? "is no name" }]))
  const { rules } = yield* Settings
  if (rules.ruleOf(name) === undefined)
    return yield* Effect.fail(new Refusal("unknown_room", `no rule of the configuration matches the room ${name}`))
  // Not to be interrupted half-way.
  if (change === "join") yield* Effect.uninterruptible(enterRoom(connection, name, "api"))
  else yield* exitRoom(connection, name)
})
