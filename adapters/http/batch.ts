import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Pushed } from "#application/ports/handler-actions.ts"
import type { Services } from "#application/services.ts"
import { type PublishRefusal, publishMessage } from "#application/use-cases/publish-message.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { payloadFault } from "#domain/payload.ts"
import { internal, LOG } from "./endpoint.ts"
import { idempotencyKey } from "./idempotency-key.ts"
import { itemProblem } from "./problem.ts"
import { batchItemSchema, pushOf } from "./push-schema.ts"
import { check } from "./validate.ts"

/** Pushes of one batch that are under way at once. */
const IN_FLIGHT = 16

interface BatchKey {
  readonly credentialId: string
  readonly header: string
}

type ItemResult = Record<string, unknown>

const publishItem = (
  item: unknown,
  index: number,
  key: BatchKey | undefined,
): Effect.Effect<Pushed, PublishRefusal, Services> => {
  const checked = check(batchItemSchema, item)
  if (checked instanceof Refusal) return Effect.fail(checked)
  const push = pushOf(checked.value)
  if (key === undefined) return publishMessage({ push, from: "backend", idempotency: undefined })
  const fault = payloadFault(push.data ?? null, "/data")
  if (fault !== undefined) return Effect.fail(fault)
  const idempotency = idempotencyKey(key.credentialId, key.header, JSON.stringify(item), index)
  return publishMessage({ push, from: "backend", idempotency })
}

const unavailable = (): Refused<"engine_unavailable"> =>
  new Refusal("engine_unavailable", "not tried: the engine did not answer for an earlier message of the batch")

/**
 * Starts the pushes in their order and answers in it: `{ status: 202, id, offset? }`, or `{ status, code, detail }` with
 * the pointers of its `errors` into that message. Once the engine does not answer, what has not begun is not tried.
 */
export const publishBatch = (
  items: readonly unknown[],
  key: BatchKey | undefined,
): Effect.Effect<readonly ItemResult[], never, Services> =>
  Effect.suspend(() => {
    let away = false
    return Effect.forEach(
      items,
      (item, index) =>
        away
          ? Effect.succeed(itemProblem(unavailable(), false))
          : Effect.matchCauseEffect(
              Effect.suspend(() => publishItem(item, index, key)),
              {
                onSuccess: ({ id, offset }) =>
                  Effect.succeed<ItemResult>(offset === undefined ? { status: 202, id } : { status: 202, id, offset }),
                onFailure: (cause) => {
                  const refusal = cause.reasons.find(Cause.isFailReason)?.error
                  if (refusal !== undefined) {
                    away ||= refusal._tag === "engine_unavailable"
                    return Effect.succeed<ItemResult>(itemProblem(refusal, true))
                  }
                  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
                  return Effect.as(
                    Effect.annotateLogs(Effect.logError("a push of a batch failed", cause), LOG),
                    itemProblem(internal(), true),
                  )
                },
              },
            ),
      { concurrency: IN_FLIGHT },
    )
  })
