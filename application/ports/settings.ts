import * as Context from "effect/Context"
import type { EventRuleOf } from "#domain/client-event.ts"
import type { Limits } from "#domain/limits.ts"
import type { RoomRules } from "#domain/room-rules.ts"

/** What the operator configured, as the use cases need it: checked and compiled at start, never changed after. */
export class Settings extends Context.Service<
  Settings,
  {
    /** This node's instance id. */
    readonly node: string
    readonly version: string
    readonly rules: RoomRules
    readonly eventRuleOf: EventRuleOf
    readonly limits: Limits
    readonly recovery: { readonly windowMs: number; readonly maxMessages: number }
    readonly presence: { readonly graceMs: number }
    /** No token is accepted that lives longer; revocations are kept for as long. */
    readonly maxTokenLifetimeMs: number
    /** How far the issuer's clock may be off: a token is good for so much longer. */
    readonly clockToleranceMs: number
    /** Connections without a token are let in, as users named `anonymous:<id>`. */
    readonly anonymous: boolean
    /** How long a handler may take that names no time-out of its own. */
    readonly handlerTimeoutMs: number
  }
>()("roomcast/application/ports/settings") {}
