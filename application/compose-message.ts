import * as Effect from "effect/Effect"
import { ownerOfEvent } from "#domain/client-event.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { invalidRequest } from "#domain/invalid-request.ts"
import type { Message } from "#domain/message.ts"
import { nameFault } from "#domain/name.ts"
import { encodePayload } from "#domain/payload.ts"
import { isGatewayRoom } from "#domain/room.ts"
import type { History } from "#domain/room-rules.ts"
import { parseTarget } from "#domain/target.ts"
import type { PushInput } from "./ports/handler-actions.ts"
import { Ids } from "./ports/ids.ts"
import { Settings } from "./ports/settings.ts"

export interface Composed {
  readonly message: Message
  /** What each of the message's rooms keeps, in their order. */
  readonly histories: readonly (History | undefined)[]
}

export type ComposeRefusal = Refused<
  | "binary_not_supported"
  | "event_too_deep"
  | "invalid_request"
  | "payload_too_large"
  | "reserved_event"
  | "unknown_room"
>

const MAX_TTL_MS = 365 * 24 * 3_600_000

const RESERVED = {
  "the gateway": 'names that begin with "room:" or "session:" are the gateway\'s',
  "Socket.IO": "a name that Socket.IO keeps to itself: its clients close on it",
} as const

/** Why a name cannot be that of an application's event. */
export const eventRefusal = (event: unknown): Refused<"invalid_request" | "reserved_event"> | undefined => {
  const fault = nameFault(event, "event")
  if (fault !== undefined) return invalidRequest([{ pointer: "/event", detail: fault }])
  const owner = ownerOfEvent(event as string)
  if (owner === undefined) return undefined
  return new Refusal("reserved_event", RESERVED[owner], { faults: [{ pointer: "/event", detail: RESERVED[owner] }] })
}

/** Checks a push and makes its message, field by field, its data encoded once. */
export const composeMessage = Effect.fnUntraced(function* (
  push: PushInput,
  nowMs: number,
  sender?: string,
): Effect.fn.Return<Composed, ComposeRefusal, Ids | Settings> {
  const { limits, rules } = yield* Settings
  const badEvent = eventRefusal(push.event)
  if (badEvent !== undefined) return yield* Effect.fail(badEvent)
  const target = parseTarget(push.to, limits.targetsPerMessage)
  if (!("rooms" in target)) return yield* Effect.fail(invalidRequest(target))
  for (const room of target.rooms)
    if (!isGatewayRoom(room) && rules.ruleOf(room) === undefined)
      return yield* Effect.fail(
        new Refusal("unknown_room", `no rule of the configuration matches the room ${room}`, {
          faults: [{ pointer: `/to/rooms/${push.to.rooms?.indexOf(room) ?? 0}`, detail: "no rule matches" }],
        }),
      )
  const { ttlMs } = push
  if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= MAX_TTL_MS))
    return yield* Effect.fail(
      invalidRequest([{ pointer: "/ttlMs", detail: `is 1 to ${MAX_TTL_MS} ms, found ${ttlMs}` }]),
    )
  const data = encodePayload(push.data ?? null, limits.payloadBytes)
  if (data instanceof Refusal) return yield* Effect.fail(data)
  const ids = yield* Ids
  const message: Message = {
    id: ids.message(),
    event: push.event,
    data,
    ts: nowMs,
    sender,
    rooms: target.rooms,
    except: target.except,
    volatile: push.volatile === true,
    expiresAt: ttlMs === undefined ? undefined : nowMs + ttlMs,
  }
  return { message, histories: target.rooms.map(rules.historyOf) }
})
