import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Connection } from "#domain/connection.ts"
import { isGatewayRoom, type RoomName } from "#domain/room.ts"
import { Backend } from "./ports/backend.ts"
import { Engine } from "./ports/engine.ts"
import { Ids } from "./ports/ids.ts"
import { Settings } from "./ports/settings.ts"

/** Whom a presence event is about: what stays of a connection that is gone. */
export type Present = Pick<Connection, "id" | "user">

/**
 * Tells a room's other members, and the backend, that somebody came or left, where the room's rule asks for presence.
 * Not logged; where the engine cannot pass it on it is logged as a warning and lost, for `room:members` has the truth.
 */
export const announcePresence = Effect.fnUntraced(function* (
  change: "joined" | "left",
  { id, user }: Present,
  room: RoomName,
): Effect.fn.Return<void, never, Backend | Engine | Ids | Settings> {
  const { rules } = yield* Settings
  if (isGatewayRoom(room) || rules.ruleOf(room)?.presence !== true) return
  const engine = yield* Engine
  const backend = yield* Backend
  const ids = yield* Ids
  const { info, userId } = user.claims
  const ts = yield* Clock.currentTimeMillis
  yield* engine
    .publish({
      message: {
        id: ids.message(),
        event: `room:${change}`,
        data: JSON.stringify({ room, userId, connectionId: id, info }),
        ts,
        sender: undefined,
        rooms: [room],
        except: { rooms: [], users: [], connections: [id] },
        volatile: true,
        expiresAt: undefined,
      },
      histories: [undefined],
      idempotency: undefined,
    })
    .pipe(
      Effect.catch((refusal) =>
        Effect.logWarning("presence event not sent", { change, connectionId: id, code: refusal._tag }),
      ),
    )
  backend.notify(`presence.${change}`, {
    connectionId: id,
    userId,
    room,
    ...(info !== undefined && { info }),
  })
})
