import * as Context from "effect/Context"
import type { TargetInput } from "#domain/target.ts"
import type { AckAnswer } from "./node-commands.ts"

export interface PushInput {
  readonly to: TargetInput
  readonly event: string
  readonly data?: unknown
  readonly volatile?: boolean | undefined
  readonly ttlMs?: number | undefined
}

export interface Pushed {
  readonly id: string
  /** Where the message is logged. */
  readonly offset?: string
}

export interface AckedPush {
  readonly id: string
  readonly responses: readonly AckAnswer[]
  /** Connections that were to get the message and gave no answer in time. */
  readonly missing: readonly string[]
}

/** What handler modules may do: the use cases, as promises. A refusal rejects with a Refusal or Declined. */
export class HandlerActions extends Context.Service<
  HandlerActions,
  {
    readonly push: (push: PushInput) => Promise<Pushed>
    /** Waits for what the clients acknowledge it with. */
    readonly pushWithAcks: (push: PushInput, timeoutMs: number) => Promise<AckedPush>
    readonly join: (connectionId: string, room: string) => Promise<void>
    readonly leave: (connectionId: string, room: string) => Promise<void>
  }
>()("roomcast/application/ports/handler-actions") {}
