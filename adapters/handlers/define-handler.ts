import type { HandlerContext } from "./handler-context.ts"
import { definitionFaults } from "./handler-definition.ts"
import type { StandardSchema } from "./standard-schema.ts"

/** `"3s"`, `"500ms"`, `"2m"`, or ms. */
export type Timeout = string | number

/** Answers a client's event. What it returns is JSON and becomes the ack's `data`; undefined becomes null. */
export interface EventHandler<Input> {
  readonly event: string
  readonly timeout?: Timeout
  readonly handle: (input: Input, context: HandlerContext) => unknown
}

/** An event handler with a schema that checks the client's data, and may change it. Without one any JSON comes in. */
export interface CheckedEventHandler<Input> extends EventHandler<Input> {
  readonly input: StandardSchema<Input>
}

/** Before a connection is let in; may refuse it. */
export interface ConnectHandler {
  readonly on: "connect"
  readonly timeout?: Timeout
  readonly handle: (input: Readonly<Record<string, never>>, context: HandlerContext) => unknown
}

/** After a connection has gone. */
export interface DisconnectHandler {
  readonly on: "disconnect"
  readonly timeout?: Timeout
  readonly handle: (input: { readonly reason: string }, context: HandlerContext) => unknown
}

/** After a client's event was answered with an error. */
export interface ErrorHandler {
  readonly on: "error"
  readonly timeout?: Timeout
  readonly handle: (input: { readonly event: string; readonly code: string }, context: HandlerContext) => unknown
}

interface DefineHandler {
  <Input>(handler: CheckedEventHandler<Input>): CheckedEventHandler<Input>
  (handler: EventHandler<unknown>): EventHandler<unknown>
  (handler: ConnectHandler): ConnectHandler
  (handler: DisconnectHandler): DisconnectHandler
  (handler: ErrorHandler): ErrorHandler
}

/**
 * Checks a handler and gives it back: the default export of a handler module. Throws a TypeError that lists everything
 * that is wrong with it, at the line that called.
 */
export const defineHandler: DefineHandler = <H>(handler: H): H => {
  const faults = definitionFaults(handler)
  if (faults.length > 0) throw new TypeError(faults.join("; "))
  return handler
}
