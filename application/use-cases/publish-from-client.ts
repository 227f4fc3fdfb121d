import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { composeMessage } from "#application/compose-message.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { Backend } from "#application/ports/backend.ts"
import { Engine } from "#application/ports/engine.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"
import { grantToPublish } from "#domain/grant.ts"
import type { Message } from "#domain/message.ts"
import { formatOffset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"

export interface ClientPublishCommand {
  readonly connection: LocalConnection
  readonly room: RoomName
  readonly event: string
  readonly data: unknown
  /** The sender's own: the same user and id publish once. */
  readonly id: string | undefined
  /** False: not to itself. */
  readonly echo: boolean
}

const PUBLISH_HOOK_MS = 5_000

/** A client publishes to a room, by the room's rule. */
export const publishFromClient = Effect.fnUntraced(function* (command: ClientPublishCommand) {
  const { connection, room } = command
  const { rules } = yield* Settings
  const rule = rules.ruleOf(room)
  if (rule === undefined)
    return yield* Effect.fail(new Refusal("unknown_room", `no rule of the configuration matches the room ${room}`))
  const member = connection.rooms.has(room)
  const grant = grantToPublish(connection.user, rule, room, member)
  if (grant === "no") {
    if (rule.publish === "members")
      return yield* Effect.fail(new Refusal("not_a_member", `only members publish to ${room}: join it first`))
    return yield* Effect.fail(new Refusal("not_allowed", `clients do not publish to ${room} with this token`))
  }
  const { userId } = connection
  const { histories, message: composed } = yield* composeMessage(
    { to: { rooms: [room] }, event: command.event, data: command.data },
    yield* Clock.currentTimeMillis,
    userId,
  )
  const itself = { rooms: [], users: [], connections: [connection.id] }
  const message: Message = command.echo ? composed : { ...composed, except: itself }
  if (grant === "ask") {
    const backend = yield* Backend
    const payload: unknown = JSON.parse(message.data)
    yield* backend.ask("room.publish", { ...connection.member, room, event: command.event, payload }, PUBLISH_HOOK_MS)
  }
  const engine = yield* Engine
  const { epoch, id, offset } = yield* engine.publish({
    message,
    histories,
    idempotency:
      command.id === undefined
        ? undefined
        : {
            key: `user:${userId.length}:${userId}:${command.id}`,
            userId,
            digest: `${room}\n${command.event}\n${message.data}`,
          },
  })
  const metrics = yield* Metrics
  metrics.messageReceived("client")
  yield* Effect.logDebug("message published", { messageId: id, event: message.event, bytes: message.data.length })
  return histories[0] === undefined ? { id } : { id, offset: formatOffset(epoch, offset) }
})
