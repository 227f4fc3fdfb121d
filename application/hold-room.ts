import * as Effect from "effect/Effect"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import type { LocalConnection } from "./local-connections.ts"
import { LocalRooms } from "./local-rooms.ts"

export const gone = (): Refusal<"engine_unavailable"> => new Refusal("engine_unavailable", "the connection is closed")

/** Subscribed and a local member: live messages come from here on, to a gate that the caller has closed. */
export const holdRoom = (connection: LocalConnection, name: RoomName) => Effect.uninterruptible(hold(connection, name))

const hold = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
): Effect.fn.Return<void, Refused<"engine_unavailable">, LocalRooms> {
  const rooms = yield* LocalRooms
  const room = yield* rooms.hold(name)
  if (connection.closed) {
    rooms.release(room)
    return yield* Effect.fail(gone())
  }
  room.members.add(connection)
  connection.held.set(name, room)
})

/** Live messages come no more. */
export const letGo = (connection: LocalConnection, rooms: LocalRooms["Service"], name: RoomName): void => {
  const room = connection.held.get(name)
  if (room === undefined) return
  connection.held.delete(name)
  room.members.delete(connection)
  rooms.release(room)
}
