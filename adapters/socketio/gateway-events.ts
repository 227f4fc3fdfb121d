import * as Effect from "effect/Effect"
import { z } from "zod"
import { openGateOrClose } from "#application/connection-gate.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import type { Services } from "#application/services.ts"
import { joinRoom } from "#application/use-cases/join-room.ts"
import { leaveRoom } from "#application/use-cases/leave-room.ts"
import { publishFromClient } from "#application/use-cases/publish-from-client.ts"
import { readRoomAsMember } from "#application/use-cases/read-room-as-member.ts"
import { refreshToken } from "#application/use-cases/refresh-token.ts"
import type { Declined, Refusal, Refused } from "#domain/errors.ts"
import { invalidRequest, jsonPointer } from "#domain/invalid-request.ts"
import { parseOffset } from "#domain/offset.ts"
import { MAX_PAGE } from "#domain/presence.ts"
import { type RoomName, roomFault } from "#domain/room.ts"

/** What a gateway event answers, and what is done once that was written. */
export interface GatewayAnswer {
  readonly answer: object
  readonly afterwards?: Effect.Effect<void, never, Services>
}

export type GatewayEvent = (
  connection: LocalConnection,
  data: unknown,
) => Effect.Effect<GatewayAnswer, Refusal | Declined, Services>

const MAX_TOKEN = 8_192
const MAX_FAULTS = 20

const room = z.custom<RoomName>((text) => roomFault(text) === undefined, {
  error: (issue) => (issue.input === undefined ? "is missing: a room's name" : roomFault(issue.input)),
})
const since = z.string().refine((text) => parseOffset(text) !== undefined, "is not an offset")
const ownId = z.string().min(1).max(200)

/** What may be anything and is missing has no type that zod could name. */
const detailOf = (issue: z.core.$ZodIssue): string => {
  if (issue.code !== "invalid_type" || !issue.message.endsWith("received undefined"))
    return issue.message.replace(/^Invalid input: /, "")
  const expected: string = issue.expected
  return `is missing, expected: ${expected === "nonoptional" ? "any JSON" : expected}`
}

const invalid = (error: z.ZodError): Refused<"invalid_request"> => {
  const faults = error.issues.slice(0, MAX_FAULTS).map((issue) => ({
    pointer: jsonPointer(...issue.path),
    detail: detailOf(issue).slice(0, 300),
  }))
  return invalidRequest(faults, "data")
}

const event =
  <S extends z.ZodType>(
    schema: S,
    work: (
      connection: LocalConnection,
      input: z.output<S>,
    ) => Effect.Effect<GatewayAnswer, Refusal | Declined, Services>,
  ): GatewayEvent =>
  (connection, data) => {
    const parsed = schema.safeParse(data)
    return parsed.success ? work(connection, parsed.data) : Effect.fail(invalid(parsed.error))
  }

const answered = (answer: object): GatewayAnswer => ({ answer })

const joinInput = z
  .strictObject({ room, since: since.optional(), recent: z.int().min(1).max(MAX_PAGE).optional() })
  .refine((input) => input.since === undefined || input.recent === undefined, "give since or recent, not both")

/** The gateway's own events, by name. */
export const GATEWAY_EVENTS: ReadonlyMap<string, GatewayEvent> = new Map([
  [
    "room:join",
    event(joinInput, (connection, input) =>
      Effect.map(joinRoom({ connection, room: input.room, since: input.since, recent: input.recent }), (answer) => ({
        answer,
        afterwards: openGateOrClose(connection),
      })),
    ),
  ],
  [
    "room:leave",
    event(z.strictObject({ room }), (connection, input) => Effect.as(leaveRoom(connection, input.room), answered({}))),
  ],
  [
    "room:publish",
    event(
      z.strictObject({
        room,
        event: z.string(),
        data: z.unknown(),
        id: ownId.optional(),
        echo: z.boolean().optional(),
      }),
      (connection, { data, echo, event: name, id, room: to }) =>
        Effect.map(publishFromClient({ connection, room: to, event: name, data, id, echo: echo ?? true }), answered),
    ),
  ],
  [
    "room:members",
    event(z.strictObject({ room, cursor: z.string().max(500).optional() }), (connection, input) =>
      Effect.map(readRoomAsMember.members(connection, input.room, input.cursor), answered),
    ),
  ],
  [
    "room:history",
    event(
      z.strictObject({ room, since: since.optional(), limit: z.int().min(1).max(MAX_PAGE).optional() }),
      (connection, input) =>
        Effect.map(readRoomAsMember.history(connection, input.room, input.since, input.limit), answered),
    ),
  ],
  [
    "session:refresh",
    event(z.strictObject({ token: z.string().max(MAX_TOKEN) }), (connection, { token }) =>
      Effect.map(refreshToken(connection, token), answered),
    ),
  ],
])
