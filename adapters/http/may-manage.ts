import type { MiddlewareHandler } from "hono"
import { requireScope } from "./endpoint.ts"
import type { Env } from "./env.ts"

const scoped = requireScope("manage")

/** For what changes something: needs the scope, and from here on a failure leaves the outcome unknown. */
export const mayManage: MiddlewareHandler<Env> = (c, next) =>
  scoped(c, () => {
    c.set("begun", true)
    return next()
  })
