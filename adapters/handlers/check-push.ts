import { z } from "zod"
import { schemaRefusal } from "./schema-faults.ts"

const strict = <S extends z.core.$ZodShape>(shape: S) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `unknown: ${issue.keys.join(", ")}; known are ${Object.keys(shape).join(", ")}`
        : undefined,
  })

const names = z.array(z.string()).optional()

/** As `POST /v1/messages` takes it: shapes and types; names, targets and data are checked where the message is made. */
const push = strict({
  to: strict({
    rooms: names,
    users: names,
    connections: names,
    all: z.boolean().optional(),
    except: strict({ rooms: names, users: names, connections: names }).optional(),
  }),
  event: z.string(),
  data: z.unknown().optional(),
  volatile: z.boolean().optional(),
  ttlMs: z.number().optional(),
  ack: strict({ timeoutMs: z.number() }).optional(),
})

/** What a handler pushes: nothing checked it before, for a module is not compiled. Throws a Refusal. */
export const checkPush = (given: unknown): z.output<typeof push> => {
  const checked = push.safeParse(given)
  if (checked.success) return checked.data
  throw schemaRefusal(checked.error.issues, "the push")
}
