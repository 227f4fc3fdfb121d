import { compilePattern, type Matches } from "./pattern.ts"
import { EVERYBODY, isGatewayRoom, type RoomName } from "./room.ts"

export type JoinRule = "anyone" | "token" | "backend" | "nobody"
export type PublishRule = "members" | "token" | "backend" | "nobody"

/** What a room keeps: at most `size` messages, none older than `ttlMs`. */
export interface History {
  readonly size: number
  readonly ttlMs: number
}

export interface RoomRule {
  readonly match: string
  readonly join: JoinRule
  readonly publish: PublishRule
  readonly presence: boolean
  readonly history: History | undefined
}

export interface RoomRulesConfig {
  /** In order: the first match wins. */
  readonly rooms: readonly RoomRule[]
  readonly users: { readonly history: History | undefined }
  readonly everybody: { readonly history: History | undefined }
}

/** The rules of every room: what a name may be used for, and what it keeps. */
export interface RoomRules {
  /** The rule of a room of the application; undefined where none matches: such a room is refused. */
  readonly ruleOf: (room: RoomName) => RoomRule | undefined
  /** What the room keeps, the gateway's own rooms included; undefined: its messages are not logged. */
  readonly historyOf: (room: RoomName) => History | undefined
  /** The longest time that any room keeps a message, ms; 0 where none does. */
  readonly longestHistoryMs: number
}

export const compileRoomRules = (config: RoomRulesConfig): RoomRules => {
  const rules: readonly (readonly [Matches, RoomRule])[] = config.rooms.map((rule) => [
    compilePattern(rule.match),
    rule,
  ])
  const ruleOf = (room: RoomName): RoomRule | undefined => {
    for (const [matches, rule] of rules) if (matches(room)) return rule
    return undefined
  }
  const kept = [config.users.history, config.everybody.history, ...config.rooms.map((rule) => rule.history)]
  return {
    ruleOf,
    historyOf: (room) => {
      if (!isGatewayRoom(room)) return ruleOf(room)?.history
      if (room === EVERYBODY) return config.everybody.history
      return room.startsWith("$user:") ? config.users.history : undefined
    },
    longestHistoryMs: Math.max(0, ...kept.map((history) => history?.ttlMs ?? 0)),
  }
}
