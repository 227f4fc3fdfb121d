import * as Effect from "effect/Effect"
import type { LocalConnection } from "#application/local-connections.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { roomHistory } from "#application/room-history.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { MAX_PAGE } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"

const checkMember = (connection: LocalConnection, room: RoomName): Effect.Effect<void, Refused<"not_a_member">> =>
  connection.rooms.has(room)
    ? Effect.void
    : Effect.fail(new Refusal("not_a_member", `only members see what is in ${room}: join it first`))

/** What a client may see of a room that it is in, and of no other. */
export const readRoomAsMember = {
  members: Effect.fnUntraced(function* (connection: LocalConnection, room: RoomName, cursor: string | undefined) {
    yield* checkMember(connection, room)
    const directory = yield* ConnectionDirectory
    const { items, nextCursor } = yield* directory.members(room, { limit: MAX_PAGE, cursor })
    const count = yield* directory.memberCount(room)
    return nextCursor === undefined ? { members: items, count } : { members: items, count, nextCursor }
  }),
  history: Effect.fnUntraced(function* (
    connection: LocalConnection,
    room: RoomName,
    since: string | undefined,
    limit: number | undefined,
  ) {
    yield* checkMember(connection, room)
    return yield* roomHistory({ room, since, limit, upTo: undefined })
  }),
}
