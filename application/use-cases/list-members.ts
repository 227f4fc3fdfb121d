import * as Effect from "effect/Effect"
import { ConnectionDirectory, type Page, type PageRequest } from "#application/ports/connection-directory.ts"
import type { Refused } from "#domain/errors.ts"
import type { Member } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"

export interface MembersPage extends Page<Member> {
  /** Of all pages. */
  readonly count: number
}

/** Who is in a room, cluster-wide. Whether the asker may know is the caller's to check. */
export const listMembers = Effect.fnUntraced(function* (
  room: RoomName,
  page: PageRequest,
): Effect.fn.Return<MembersPage, Refused<"engine_unavailable">, ConnectionDirectory> {
  const directory = yield* ConnectionDirectory
  const { items, nextCursor } = yield* directory.members(room, page)
  const count = yield* directory.memberCount(room)
  return { items, nextCursor, count }
})
