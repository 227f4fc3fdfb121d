import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Member, member } from "#domain/presence.ts"
import { isGatewayRoom, type RoomName } from "#domain/room.ts"
import { Backend } from "./ports/backend.ts"
import type { ConnectionEntry } from "./ports/connection-directory.ts"
import { Engine } from "./ports/engine.ts"
import { Ids } from "./ports/ids.ts"
import { Settings } from "./ports/settings.ts"

/**
 * Tells a room's other members, and the backend, that somebody came or left, where the room's rule asks for presence.
 * Not logged; where the engine cannot pass it on it is logged as a warning and lost, for `room:members` has the truth.
 */
export const announcePresence = Effect.fnUntraced(function* (
  change: "joined" | "left",
  { connectionId, info, userId }: Member,
  room: RoomName,
): Effect.fn.Return<void, never, Backend | Engine | Ids | Settings> {
  const { rules } = yield* Settings
  if (isGatewayRoom(room) || rules.ruleOf(room)?.presence !== true) return
  const engine = yield* Engine
  const backend = yield* Backend
  const ids = yield* Ids
  const ts = yield* Clock.currentTimeMillis
  yield* engine
    .publish({
      message: {
        id: ids.message(),
        event: `room:${change}`,
        data: JSON.stringify({ room, userId, connectionId, info }),
        ts,
        sender: undefined,
        rooms: [room],
        except: { rooms: [], users: [], connections: [connectionId] },
        volatile: true,
        expiresAt: undefined,
      },
      histories: [undefined],
      idempotency: undefined,
    })
    .pipe(
      Effect.catch((refusal) =>
        Effect.logWarning("presence event not sent", { change, connectionId, code: refusal._tag }),
      ),
    )
  backend.notify(`presence.${change}`, { ...member(userId, connectionId, info), room })
})

/** It left every room that it was in. */
export const announceLeft = Effect.fnUntraced(function* (
  entry: ConnectionEntry,
): Effect.fn.Return<void, never, Backend | Engine | Ids | Settings> {
  for (const room of entry.rooms) yield* announcePresence("left", entry, room)
})
