import * as Effect from "effect/Effect"
import { openGateOrClose } from "#application/connection-gate.ts"
import { enterBehindGate, stayBehindGate } from "#application/enter-room.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { Settings } from "#application/ports/settings.ts"
import { roomHistory } from "#application/room-history.ts"
import { Refusal } from "#domain/errors.ts"
import { type EnteredBy, grantToJoin } from "#domain/grant.ts"
import type { MessageView } from "#domain/message.ts"
import { formatOffset, type Offset } from "#domain/offset.ts"
import { DEFAULT_PAGE, type Member } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"

export interface JoinCommand {
  readonly connection: LocalConnection
  readonly room: RoomName
  /** An offset from an ack or a `meta`: what came after it is caught up in the answer. */
  readonly since: string | undefined
  /** Or the room's last so many messages. */
  readonly recent: number | undefined
}

export interface JoinAnswer {
  readonly room: RoomName
  readonly offset: string
  readonly messages?: readonly MessageView[]
  readonly complete?: boolean
  readonly members?: readonly Member[]
}

const JOIN_HOOK_MS = 5_000

/** By what right this connection may enter, asking the backend where the rule says so. */
const admit = Effect.fnUntraced(function* (connection: LocalConnection, room: RoomName) {
  const { rules } = yield* Settings
  const rule = rules.ruleOf(room)
  if (rule === undefined)
    return yield* Effect.fail(new Refusal("unknown_room", `no rule of the configuration matches the room ${room}`))
  const grant = grantToJoin(connection.user, rule, room)
  if (grant === "no")
    return yield* Effect.fail(
      new Refusal(
        "not_allowed",
        rule.join === "token"
          ? `the token's claim rooms does not grant ${room}`
          : `only the backend joins clients to ${room}`,
      ),
    )
  if (grant !== "ask") return grant
  const backend = yield* Backend
  yield* backend.ask("room.join", { ...connection.member, room }, JOIN_HOOK_MS)
  return "backend" satisfies EnteredBy
})

/**
 * A client joins a room, and is given what it asks to catch up with in the answer, never as events. Succeeds with the
 * gate closed: the caller opens it when the answer was written, so that live messages follow it.
 */
export const joinRoom = Effect.fnUntraced(function* (command: JoinCommand) {
  const { connection, room } = command
  const admitted = Effect.flatMap(admit(connection, room), (by) => enterBehindGate(connection, room, by))
  const { entered, offset } = yield* connection.rooms.has(room)
    ? stayBehindGate(connection, room).pipe(Effect.catchTag("not_a_member", () => admitted))
    : admitted
  return yield* answerJoin(command, offset, entered).pipe(Effect.onError(() => openGateOrClose(connection)))
})

const answerJoin = Effect.fnUntraced(function* (
  { recent, room, since }: JoinCommand,
  offset: Offset,
  entered: boolean,
) {
  const engine = yield* Engine
  const directory = yield* ConnectionDirectory
  const { isLogged } = yield* LocalRooms
  const { rules } = yield* Settings
  const answer: JoinAnswer = { room, offset: formatOffset(engine.epochOf(engine.partitionOf(room)), offset) }
  const present: JoinAnswer =
    entered && rules.ruleOf(room)?.presence === true
      ? { ...answer, members: (yield* directory.members(room, { limit: DEFAULT_PAGE, cursor: undefined })).items }
      : answer
  if ((since === undefined && recent === undefined) || !isLogged(room)) return present
  const { complete, messages } = yield* roomHistory({ room, since, limit: recent, upTo: offset })
  return { ...present, messages, complete }
})
