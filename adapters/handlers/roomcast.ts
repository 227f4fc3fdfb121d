/**
 * What `import … from "roomcast"` gives, in a handler module as in a program that has the package installed. `z` is zod,
 * so that a handler needs no package of its own.
 */
export { z } from "zod"
export type { AckedPush, Pushed, PushInput } from "#application/ports/handler-actions.ts"
export type { TargetInput } from "#domain/target.ts"
export { ActionRefused } from "./action-refused.ts"
export {
  type CheckedEventHandler,
  type ConnectHandler,
  type DisconnectHandler,
  defineHandler,
  type ErrorHandler,
  type EventHandler,
  type Timeout,
} from "./define-handler.ts"
export type { AckedPushInput, HandlerContext, HandlerLog, Push } from "./handler-context.ts"
export type { SchemaIssue, SchemaResult, StandardSchema } from "./standard-schema.ts"
