import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { isOwed, roomFor } from "#domain/connection.ts"
import type { Message } from "#domain/message.ts"
import { payloadFault } from "#domain/payload.ts"
import type { RoomName } from "#domain/room.ts"
import { type LocalConnection, LocalConnections } from "./local-connections.ts"
import { outgoingOf } from "./outgoing.ts"
import type { Outgoing } from "./ports/link.ts"
import { Metrics } from "./ports/metrics.ts"
import type { AckAnswer } from "./ports/node-commands.ts"

export interface Ask {
  readonly message: Message
  readonly connectionIds: readonly string[]
  /** For all of it, the wait for closed gates included. */
  readonly timeoutMs: number
}

export interface Asked {
  /** In the order asked; who is missing gave no answer in time or is not here. */
  readonly responses: readonly AckAnswer[]
  /** Connections that the message is not for: excepted, or in none of its rooms any more. */
  readonly excepted: readonly string[]
}

/** Of all answers together, as JSON: what comes after it counts as missing. */
export const MAX_ANSWER_BYTES = 8_388_608

/** How often a closed gate is looked at. */
const GATE_LOOK_MS = 50

/** Later than any join: the message is none of a log's. */
const NOW_OFFSET = Number.MAX_SAFE_INTEGER
const notLogged = (): boolean => false

/** The room through which the connection gets the message; undefined: it does not. */
const wayTo = (connection: LocalConnection, message: Message): RoomName | undefined => {
  const room = roomFor(connection, message, NOW_OFFSET, notLogged)
  if (room === undefined) return undefined
  const publication = { room, partition: 0, offset: NOW_OFFSET, message }
  return isOwed(connection, publication, false, notLogged) ? room : undefined
}

/** What is sent while a gate is closed would come before older messages, and before `session:ready`. */
const gateOpened = Effect.fnUntraced(function* (connection: LocalConnection, deadline: number) {
  while (connection.gate !== null && !connection.closed && (yield* Clock.currentTimeMillis) < deadline)
    yield* Effect.sleep(GATE_LOOK_MS)
  return connection.gate === null && !connection.closed
})

/** Sends a message, not logged, to connections of this node, and gathers what their clients acknowledge it with. */
export const askConnections = Effect.fnUntraced(function* ({
  message,
  connectionIds,
  timeoutMs,
}: Ask): Effect.fn.Return<Asked, never, LocalConnections | Metrics> {
  const { byId } = yield* LocalConnections
  const metrics = yield* Metrics
  const deadline = (yield* Clock.currentTimeMillis) + timeoutMs
  const made = new Map<RoomName, Outgoing>()
  const excepted: string[] = []
  let bytes = 0

  const outgoingBy = (room: RoomName): Outgoing => {
    const outgoing = made.get(room) ?? outgoingOf({ room, partition: 0, offset: NOW_OFFSET, message }, undefined)
    made.set(room, outgoing)
    return outgoing
  }

  const ask = Effect.fnUntraced(function* (connectionId: string): Effect.fn.Return<AckAnswer | undefined> {
    const connection = byId.get(connectionId)
    if (connection === undefined || !(yield* gateOpened(connection, deadline))) return undefined
    const room = wayTo(connection, message)
    if (room === undefined) {
      excepted.push(connectionId)
      return undefined
    }
    const leftMs = deadline - (yield* Clock.currentTimeMillis)
    if (leftMs <= 0) return undefined
    metrics.messageDelivered(1, message.data.length)
    const answer = yield* connection.link.ask(outgoingBy(room), leftMs)
    if (answer === undefined || payloadFault(answer.data, "") !== undefined) return undefined
    bytes += JSON.stringify(answer.data).length
    if (bytes > MAX_ANSWER_BYTES) {
      metrics.limitHit("ack_bytes")
      return undefined
    }
    return { connectionId, userId: connection.userId, data: answer.data }
  })

  const answers = yield* Effect.forEach(connectionIds, ask, { concurrency: "unbounded" })
  return { responses: answers.filter((answer) => answer !== undefined), excepted }
})
