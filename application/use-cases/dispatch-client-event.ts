import * as Effect from "effect/Effect"
import { eventRefusal } from "#application/compose-message.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { Backend } from "#application/ports/backend.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"
import { encodePayload } from "#domain/payload.ts"

/**
 * An application's event from a client: size and shape, then the handler module that is loaded for it, else the backend
 * where a rule forwards it. Answers the ack's data.
 */
export const dispatchClientEvent = Effect.fnUntraced(function* (
  connection: LocalConnection,
  event: string,
  data: unknown,
) {
  const handlers = yield* EventHandlers
  const { eventRuleOf, limits } = yield* Settings
  const badEvent = eventRefusal(event)
  if (badEvent !== undefined) return yield* Effect.fail(badEvent)
  const text = encodePayload(data, limits.payloadBytes, "")
  if (text instanceof Refusal) return yield* Effect.fail(text)
  yield* Effect.logDebug("client event", { connectionId: connection.id, event, chars: text.length })
  if (handlers.handles(event)) return yield* handlers.run(event, data, connection.member)
  const rule = eventRuleOf(event)
  if (rule === undefined)
    return yield* Effect.fail(
      new Refusal("unknown_event", `no handler and no rule of the configuration takes ${event}`),
    )
  const backend = yield* Backend
  return yield* backend.ask("message.received", { ...connection.member, event, payload: data }, rule.timeoutMs)
})
