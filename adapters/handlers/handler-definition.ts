import { ownerOfEvent } from "#domain/client-event.ts"
import { DURATION_FORMS, parseDuration } from "#domain/duration.ts"
import { nameFault } from "#domain/name.ts"
import type { HandlerContext } from "./handler-context.ts"
import { isStandardSchema, type StandardSchema } from "./standard-schema.ts"

export type SystemEvent = "connect" | "disconnect" | "error"

/** A handler as it is run: checked, whatever module it came from. */
export interface CheckedHandler {
  readonly on: { readonly event: string } | { readonly system: SystemEvent }
  readonly timeoutMs: number | undefined
  readonly input: StandardSchema | undefined
  readonly handle: (input: unknown, context: HandlerContext) => unknown
}

const SYSTEM_EVENTS: readonly unknown[] = ["connect", "disconnect", "error"] satisfies SystemEvent[]

const MAX_TIMEOUT_MS = 3_600_000

const shown = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80))
  if (Array.isArray(value)) return "an array"
  return value === null || typeof value === "number" || typeof value === "boolean" ? String(value) : typeof value
}

const eventFault = (event: unknown): string | undefined => {
  if (typeof event !== "string") return `event is text, found ${shown(event)}`
  const owner = ownerOfEvent(event)
  if (owner === "Socket.IO")
    return `event is a name that Socket.IO does not keep to itself, found ${shown(event)}${
      SYSTEM_EVENTS.includes(event) ? ` (on: ${shown(event)} hears the gateway's)` : ""
    }`
  if (owner === "the gateway")
    return `event is a name of your own: those that begin with "room:" or "session:" are the gateway's, found ${shown(event)}`
  return nameFault(event, "event")
}

const timeoutOf = (timeout: unknown): number | undefined => {
  const ms = parseDuration(timeout)
  return ms !== undefined && ms >= 1 && ms <= MAX_TIMEOUT_MS ? ms : undefined
}

/** Everything that is wrong with a handler; each says what is allowed and what was found. */
export const definitionFaults = (handler: unknown): readonly string[] => {
  if (typeof handler !== "object" || handler === null || Array.isArray(handler))
    return [`a handler is defineHandler({ event or on, handle }), found ${shown(handler)}`]
  const faults: string[] = []
  const get = (member: string): unknown => Reflect.get(handler, member)
  const hasEvent = get("event") !== undefined
  const hasOn = get("on") !== undefined
  const allowed = hasOn ? ["on", "timeout", "handle"] : ["event", "timeout", "input", "handle"]
  if (hasEvent === hasOn) faults.push(`either event or on is needed, found ${hasEvent ? "both" : "neither"}`)
  else
    for (const member of Object.keys(handler))
      if (!allowed.includes(member)) faults.push(`allowed are ${allowed.join(", ")}, found ${shown(member)}`)
  if (hasEvent) {
    const fault = eventFault(get("event"))
    if (fault !== undefined) faults.push(fault)
  }
  if (hasOn && !SYSTEM_EVENTS.includes(get("on")))
    faults.push(`on is "connect", "disconnect" or "error", found ${shown(get("on"))}`)
  if (get("timeout") !== undefined && timeoutOf(get("timeout")) === undefined)
    faults.push(`timeout is ${DURATION_FORMS}, from 1 ms to 1 h, found ${shown(get("timeout"))}`)
  if (get("input") !== undefined && !isStandardSchema(get("input")))
    faults.push(`input is a Standard Schema such as z.object({ … }), found ${shown(get("input"))}`)
  if (typeof get("handle") !== "function") faults.push(`handle is a function, found ${shown(get("handle"))}`)
  return faults
}

const isSystem = (on: unknown): on is SystemEvent => SYSTEM_EVENTS.includes(on)

/** The handler that a module exports, or everything that is wrong with it. */
export const checkHandler = (handler: unknown): CheckedHandler | readonly string[] => {
  const faults = definitionFaults(handler)
  if (faults.length > 0 || typeof handler !== "object" || handler === null) return faults
  const input: unknown = Reflect.get(handler, "input")
  const handle: unknown = Reflect.get(handler, "handle")
  const on: unknown = Reflect.get(handler, "on")
  if (typeof handle !== "function") return ["handle is a function"]
  return {
    on: isSystem(on) ? { system: on } : { event: String(Reflect.get(handler, "event")) },
    timeoutMs: timeoutOf(Reflect.get(handler, "timeout")),
    input: isStandardSchema(input) ? input : undefined,
    handle: (data, context) => Reflect.apply(handle, handler, [data, context]),
  }
}
