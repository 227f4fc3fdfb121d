import * as Effect from "effect/Effect"
import { type Context, Hono } from "hono"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { pushWithAcks } from "#application/use-cases/push-with-acks.ts"
import { Refusal } from "#domain/errors.ts"
import { publishBatch } from "./batch.ts"
import { type Run, requireScope } from "./endpoint.ts"
import type { Env } from "./env.ts"
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

const mayPublish = requireScope("publish")

/** `POST /messages` and `POST /messages/batch`, at most so many pushes a second, 0 = any. */
export const messagesRoute = (run: Run, pushesPerSecond: number): Hono<Env> =>
  new Hono<Env>()
    .post("/messages", mayPublish, jsonBody(pushSchema), async (c) => {
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
      return run(
        c,
        Effect.andThen(admitted, begin(c, pushWithAcks({ push, from: "backend", timeoutMs, idempotency }))),
        (answer) => c.json(answer, 200),
      )
    })
    .post("/messages/batch", mayPublish, jsonBody(batchSchema), async (c) => {
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
