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

/** Names that belong to the gateway; what Socket.IO itself reserves never arrives here. */
export const isReservedEvent = (event: string): boolean => event.startsWith("room:") || event.startsWith("session:")
