import type * as Effect from "effect/Effect"
import {
  ConnectionDirectory,
  type Page,
  type PageRequest,
  type RoomEntry,
} from "#application/ports/connection-directory.ts"
import type { Refused } from "#domain/errors.ts"

export interface ListRooms extends PageRequest {
  readonly prefix: string | undefined
}

/** The rooms that somebody is in, cluster-wide; those whose names begin so, where asked. */
export const listRooms = ({
  prefix,
  limit,
  cursor,
}: ListRooms): Effect.Effect<Page<RoomEntry>, Refused<"engine_unavailable">, ConnectionDirectory> =>
  ConnectionDirectory.use((directory) => directory.rooms({ prefix }, { limit, cursor }))
