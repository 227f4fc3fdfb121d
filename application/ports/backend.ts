import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Declined, Refused } from "#domain/errors.ts"

/** The `data` of a webhook. */
export interface WebhookData {
  readonly connectionId: string
  readonly userId: string
  readonly room?: string
  readonly event?: string
  /** JSON */
  readonly payload?: unknown
  readonly info?: unknown
}

export type QuestionKind = "connection.connect" | "room.join" | "room.publish" | "message.received"
export type NoticeKind = "connection.disconnect" | "presence.joined" | "presence.left"

/**
 * The user's own server. A question goes to the first endpoint that matches and is answered in time or refused; its
 * answer is the JSON of a 2xx (null without a body); a 4xx refuses in the backend's own words; everything else, or late,
 * is `backend_unavailable`. A notice goes to every endpoint that matches, behind the caller's back, in a bounded queue.
 */
export class Backend extends Context.Service<
  Backend,
  {
    /** Whether an endpoint would be asked; for `message.received` by the event's name. */
    readonly hears: (kind: QuestionKind | NoticeKind, event?: string) => boolean
    readonly ask: (
      kind: QuestionKind,
      data: WebhookData,
      timeoutMs: number,
    ) => Effect.Effect<unknown, Declined | Refused<"backend_unavailable">>
    readonly notify: (kind: NoticeKind, data: WebhookData) => void
  }
>()("roomcast/application/ports/backend") {}
