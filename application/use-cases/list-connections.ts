import type * as Effect from "effect/Effect"
import {
  ConnectionDirectory,
  type ConnectionEntry,
  type Page,
  type PageRequest,
} from "#application/ports/connection-directory.ts"
import type { Refused } from "#domain/errors.ts"

export interface ListConnections extends PageRequest {
  readonly userId: string | undefined
  readonly room: string | undefined
}

/** Connections of the whole cluster, of one user or in one room where asked. */
export const listConnections = ({
  userId,
  room,
  limit,
  cursor,
}: ListConnections): Effect.Effect<Page<ConnectionEntry>, Refused<"engine_unavailable">, ConnectionDirectory> =>
  ConnectionDirectory.use((directory) => directory.connections({ userId, room }, { limit, cursor }))
