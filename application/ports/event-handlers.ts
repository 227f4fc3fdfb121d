import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Declined, Refused } from "#domain/errors.ts"
import type { Member } from "#domain/presence.ts"

/** The connection on whose behalf a handler runs. */
export type Caller = Member

/**
 * The user's own handler modules, loaded at start. What a handler returns is JSON and becomes the ack's data; anything
 * that it throws, and its being late, is `handler_failed`, logged here and not shown to the client.
 */
export class EventHandlers extends Context.Service<
  EventHandlers,
  {
    readonly handles: (event: string) => boolean
    readonly run: (
      event: string,
      data: unknown,
      caller: Caller,
    ) => Effect.Effect<unknown, Declined | Refused<"handler_failed" | "invalid_request">>
    /** Every `connect` handler, one after the other; the first that refuses ends it. */
    readonly connect: (caller: Caller) => Effect.Effect<void, Declined | Refused<"handler_failed">>
    readonly disconnect: (caller: Caller, reason: string) => Effect.Effect<void>
    /** Told of an event that failed; its own failures are logged only. */
    readonly error: (caller: Caller, event: string, code: string) => Effect.Effect<void>
  }
>()("roomcast/application/ports/event-handlers") {}
