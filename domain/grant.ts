import type { RoomName } from "./room.ts"
import type { RoomRule } from "./room-rules.ts"
import type { User } from "./user.ts"

/**
 * How a connection came into a room: by a rule for anyone, its token's claim, the backend's word when it was asked, or its
 * own wish (`api`: the HTTP API, the answer to a connect).
 */
export type EnteredBy = "rule" | "claim" | "backend" | "api"

/** `ask`: the backend decides. */
export type Grant = EnteredBy | "ask" | "no"

export const grantToJoin = (user: User, rule: RoomRule, room: RoomName): Grant => {
  switch (rule.join) {
    case "anyone":
      return "rule"
    case "token":
      return user.mayJoin(room) ? "claim" : "no"
    case "backend":
      return "ask"
    case "nobody":
      return "no"
  }
}

/**
 * Whether a room entered that way may be kept with this token and rule. What the backend or the API let in stays in
 * until they say otherwise; what a claim or a rule let in needs that claim or rule still.
 */
export const mayStay = (user: User, rule: RoomRule | undefined, room: RoomName, by: EnteredBy): boolean => {
  if (rule === undefined) return false
  if (by === "api") return true
  if (by === "backend" && rule.join !== "nobody") return true
  const grant = grantToJoin(user, rule, room)
  return grant === "rule" || grant === "claim"
}

export const grantToPublish = (user: User, rule: RoomRule, room: RoomName, member: boolean): "yes" | "ask" | "no" => {
  switch (rule.publish) {
    case "members":
      return member ? "yes" : "no"
    case "token":
      return user.mayPublish(room) ? "yes" : "no"
    case "backend":
      return "ask"
    case "nobody":
      return "no"
  }
}
