import * as Effect from "effect/Effect"
import { exitRoom } from "#application/exit-room.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import type { RoomName } from "#domain/room.ts"

/** A client leaves a room; one that it is not in changes nothing. */
export const leaveRoom = (connection: LocalConnection, room: RoomName) => Effect.asVoid(exitRoom(connection, room))
