import type { Fault } from "#domain/errors.ts"
import { parseRoomName, type RoomName, roomFault } from "#domain/room.ts"

/** What the backend's answer to `connection.connect` adds; its other members are ignored. */
export interface ConnectAnswer {
  readonly rooms: readonly RoomName[]
  readonly info: unknown
  readonly faults: readonly Fault[]
}

const MAX_INFO_CHARS = 2_048

export const connectAnswer = (answer: unknown): ConnectAnswer => {
  const faults: Fault[] = []
  const rooms: RoomName[] = []
  if (typeof answer !== "object" || answer === null) return { rooms, info: undefined, faults }
  const named: unknown = "rooms" in answer ? answer.rooms : undefined
  if (named !== undefined && !Array.isArray(named))
    faults.push({ pointer: "/rooms", detail: "is an array of rooms' names" })
  else
    for (const [i, text] of (named ?? []).entries()) {
      const room = parseRoomName(text)
      if (room === undefined) faults.push({ pointer: `/rooms/${i}`, detail: roomFault(text) ?? "not a room's name" })
      else rooms.push(room)
    }
  const info: unknown = "info" in answer ? answer.info : undefined
  if (info !== undefined && JSON.stringify(info).length > MAX_INFO_CHARS) {
    faults.push({ pointer: "/info", detail: `has at most ${MAX_INFO_CHARS} characters as JSON` })
    return { rooms, info: undefined, faults }
  }
  return { rooms, info, faults }
}
