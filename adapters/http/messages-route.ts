import * as Effect from "effect/Effect"
import { type Context, Hono, type MiddlewareHandler } from "hono"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { pushWithAcks } from "#application/use-cases/push-with-acks.ts"
import { Refusal } from "#domain/errors.ts"
import { publishBatch } from "./batch.ts"
import { type Env, type Run, requireScope } from "./endpoint.ts"
import { idempotencyHeader, idempotencyKey } from "./idempotency-key.ts"
import { problem } from "./problem.ts"
import { batchSchema, pushOf, pushSchema } from "./push-schema.ts"
import { takePushes } from "./rate-limit.ts"
import { jsonBody } from "./validate.ts"

/** From here on an engine that does not answer may have done the work. */
const begin = <A, E, R>(c: Context<Env>, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    c.set("begun", true)
    return work
  })

const scoped = requireScope("publish")

/** Lets go of pushes while the node is overloaded, before their bodies are read. */
const mayPush =
  (overloaded: () => boolean): MiddlewareHandler<Env> =>
  async (c, next) =>
    overloaded() ? problem(c, new Refusal("overloaded", "this node has more to do than it can")) : scoped(c, next)

export interface MessagesOptions {
  /** 0 = no limit. */
  readonly pushesPerSecond: number
  /** The node is over its mark, DESIGN section 7: pushes are refused, temporarily. */
  readonly overloaded: () => boolean
}

/** `POST /messages` and `POST /messages/batch`. DESIGN section 4. */
export const messagesRoute = (run: Run, { pushesPerSecond, overloaded }: MessagesOptions): Hono<Env> => {
  const admit = mayPush(overloaded)
  return new Hono<Env>()
    .post("/messages", admit, jsonBody(pushSchema), async (c) => {
      const header = idempotencyHeader(c)
      if (header instanceof Refusal) return problem(c, header)
      const idempotency =
        header === undefined
          ? undefined
          : idempotencyKey(c.get("credential").id, header, c.get("text") ?? "", undefined)
      const body = c.req.valid("json")
      const push = pushOf(body)
      const admitted = takePushes(c, pushesPerSecond, 1)
      if (body.ack === undefined)
        return run(
          c,
          Effect.andThen(admitted, begin(c, publishMessage({ push, from: "backend", idempotency }))),
          (answer) => c.json(answer, 202),
        )
      const { timeoutMs } = body.ack
      return run(c, Effect.andThen(admitted, begin(c, pushWithAcks({ push, timeoutMs, idempotency }))), (answer) =>
        c.json(answer, 200),
      )
    })
    .post("/messages/batch", admit, jsonBody(batchSchema), async (c) => {
      const header = idempotencyHeader(c)
      if (header instanceof Refusal) return problem(c, header)
      const { messages } = c.req.valid("json")
      const key = header === undefined ? undefined : { credentialId: c.get("credential").id, header }
      return run(
        c,
        Effect.andThen(takePushes(c, pushesPerSecond, messages.length), publishBatch(messages, key)),
        (results) => c.json({ results }),
      )
    })
}
