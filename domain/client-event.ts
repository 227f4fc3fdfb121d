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

/** What Socket.IO keeps to itself: a stock client that is sent one of them takes the stream for broken and closes. */
const SOCKET_IO_EVENTS = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]

/** Whose the name is, where it is not the application's to use. */
export const ownerOfEvent = (event: string): "the gateway" | "Socket.IO" | undefined => {
  if (event.startsWith("room:") || event.startsWith("session:")) return "the gateway"
  return SOCKET_IO_EVENTS.includes(event) ? "Socket.IO" : undefined
}
