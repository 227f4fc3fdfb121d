import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type ComposeRefusal, composeMessage } from "#application/compose-message.ts"
import { Engine, type IdempotencyKey } from "#application/ports/engine.ts"
import type { Pushed, PushInput } from "#application/ports/handler-actions.ts"
import type { Ids } from "#application/ports/ids.ts"
import { Metrics } from "#application/ports/metrics.ts"
import type { Settings } from "#application/ports/settings.ts"
import type { Refused } from "#domain/errors.ts"
import { formatOffset } from "#domain/offset.ts"

export interface PublishCommand {
  readonly push: PushInput
  readonly from: "backend" | "handler"
  readonly idempotency: IdempotencyKey | undefined
}

export type PublishRefusal =
  | ComposeRefusal
  | Refused<"engine_unavailable" | "idempotency_key_reused" | "overloaded" | "rate_limited">

/** A push of the backend or of a handler. It succeeds when the message is stored and handed to every node. */
export const publishMessage = Effect.fnUntraced(function* (
  command: PublishCommand,
): Effect.fn.Return<Pushed, PublishRefusal, Engine | Ids | Metrics | Settings> {
  const now = yield* Clock.currentTimeMillis
  const { message, histories } = yield* composeMessage(command.push, now)
  const engine = yield* Engine
  const { epoch, id, offset } = yield* engine.publish({ message, histories, idempotency: command.idempotency })
  const metrics = yield* Metrics
  metrics.messageReceived(command.from)
  yield* Effect.logDebug("message published", { messageId: id, event: message.event, bytes: message.data.length })
  const logged = !message.volatile && histories.some((history) => history !== undefined)
  return logged ? { id, offset: formatOffset(epoch, offset) } : { id }
})
