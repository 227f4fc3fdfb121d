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

/** More faults than these help nobody. Without this bound zod makes an issue of each, and a batch has room for millions. */
const MAX_FAULTS = 100

/** Text; what names are in it is checked where they are used. Faults after the hundredth are not looked for. */
export const texts = z.array(z.unknown()).transform((items, ctx) => {
  const found: string[] = []
  let faults = 0
  for (const [i, item] of items.entries()) {
    if (typeof item === "string") found.push(item)
    else if (++faults > MAX_FAULTS) break
    else ctx.addIssue({ code: "invalid_type", expected: "string", input: item, path: [i] })
  }
  return faults > 0 ? z.NEVER : found
})
