import { compilePattern } from "./pattern.ts"

/** A rule for the application's own events: which are forwarded to the backend, and how long it may take. */
export interface EventRule {
  readonly match: string
  readonly forward: "rpc"
  readonly timeoutMs: number
}

export type EventRuleOf = (event: string) => EventRule | undefined

export const compileEventRules = (rules: readonly EventRule[]): EventRuleOf => {
  const compiled = rules.map((rule) => [compilePattern(rule.match), rule] as const)
  return (event) => compiled.find(([matches]) => matches(event))?.[1]
}

/** By Socket.IO: a stock client that gets an event of such a name takes it for a broken packet, and closes. */
const SOCKETIO_EVENTS: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
])

/** Names that no application's event has: the gateway's own, and those that Socket.IO reserves. */
export const isReservedEvent = (event: string): boolean =>
  event.startsWith("room:") || event.startsWith("session:") || SOCKETIO_EVENTS.has(event)
