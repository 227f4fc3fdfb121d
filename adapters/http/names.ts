import { z } from "zod"
import { nameFault } from "#domain/name.ts"
import { parseRoomName, roomFault } from "#domain/room.ts"

/** A room of the application, by its name. */
export const roomName = z.string().transform((text, ctx) => {
  const room = parseRoomName(text)
  if (room !== undefined) return room
  ctx.addIssue(roomFault(text) ?? "is not a room's name")
  return z.NEVER
})

/** A user's id: any name, for only tokens say which users there are. */
export const userName = z.string().superRefine((text, ctx) => {
  const fault = nameFault(text, "user")
  if (fault !== undefined) ctx.addIssue(fault)
})
