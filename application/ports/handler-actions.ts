import * as Context from "effect/Context"
import type { TargetInput } from "#domain/target.ts"

export interface PushInput {
  readonly to: TargetInput
  readonly event: string
  readonly data?: unknown
  readonly volatile?: boolean | undefined
  readonly ttlMs?: number | undefined
}

/** What handler modules may do: the use cases, as promises. A refusal rejects with a Refusal or Declined. */
export class HandlerActions extends Context.Service<
  HandlerActions,
  {
    readonly push: (push: PushInput) => Promise<{ readonly id: string; readonly offset?: string }>
    readonly join: (connectionId: string, room: string) => Promise<void>
    readonly leave: (connectionId: string, room: string) => Promise<void>
  }
>()("roomcast/application/ports/handler-actions") {}
