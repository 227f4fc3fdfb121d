import type { AckedPush, Pushed, PushInput } from "#application/ports/handler-actions.ts"

/** A push that waits, for so long at most, for what the clients acknowledge it with. It is not logged. */
export interface AckedPushInput extends PushInput {
  readonly ack: { readonly timeoutMs: number }
}

/** Takes and answers what `POST /v1/messages` does. */
export interface Push {
  (push: AckedPushInput): Promise<AckedPush>
  (push: PushInput): Promise<Pushed>
}

/** Goes to the gateway's log, with the connection's id and the event. Properties are redacted as everywhere. */
export type HandlerLog = {
  readonly [Level in "debug" | "info" | "warn" | "error"]: (
    message: string,
    properties?: Readonly<Record<string, unknown>>,
  ) => void
}

/** On whose behalf a handler runs, and what it may do. The functions need no `this`. */
export interface HandlerContext {
  readonly userId: string
  readonly connectionId: string
  /** The token's `info` claim, or what the connect webhook made of it. */
  readonly info: unknown
  /** Pushes with the backend's rights: nobody's permission is asked. Rejects with ActionRefused. */
  readonly push: Push
  /** Joins the caller's connection, or another one of this node, with the backend's rights. Rejects with ActionRefused. */
  readonly join: (room: string, connectionId?: string) => Promise<void>
  /** Rejects with ActionRefused. */
  readonly leave: (room: string, connectionId?: string) => Promise<void>
  /**
   * Ends the handler by throwing; the client is answered with these words. `code` is 1-64 of `a-z 0-9 _ . -`, `message` at
   * most 500 characters, `details` JSON of at most 4 kB.
   */
  readonly refuse: (code: string, message: string, details?: unknown) => never
  readonly log: HandlerLog
  /** Aborted when the handler is late or its caller has gone: nobody waits for the answer any more. */
  readonly signal: AbortSignal
}
