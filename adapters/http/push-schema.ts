import { z } from "zod"
import type { PushInput } from "#application/ports/handler-actions.ts"
import { texts } from "./names.ts"
import { strictObject } from "./validate.ts"

const names = texts.optional()

const push = {
  to: strictObject({
    rooms: names,
    users: names,
    connections: names,
    all: z.boolean().optional(),
    except: strictObject({ rooms: names, users: names, connections: names }).optional(),
  }),
  event: z.string(),
  data: z.unknown(),
  volatile: z.boolean().optional(),
  ttlMs: z.int().optional(),
}

const MAX_ACK_MS = 60_000
const MAX_BATCH = 1_000

/** A push: shapes and types only; names, targets and data are checked where the message is made. */
export const pushSchema = strictObject({
  ...push,
  ack: strictObject({ timeoutMs: z.int().min(1).max(MAX_ACK_MS) }).optional(),
})

export const batchItemSchema = strictObject({
  ...push,
  ack: z.never({ error: "not possible in a batch: push it by itself, to /v1/messages" }).optional(),
})

/** Its messages are checked one by one, for one that is wrong fails alone. */
export const batchSchema = strictObject({ messages: z.array(z.unknown()).min(1).max(MAX_BATCH) })

/** Field by field, so that nothing else of the body goes further. */
export const pushOf = (body: z.output<typeof pushSchema> | z.output<typeof batchItemSchema>): PushInput => ({
  to: body.to,
  event: body.event,
  data: body.data,
  volatile: body.volatile,
  ttlMs: body.ttlMs,
})
