import * as Cause from "effect/Cause"
import { type Context, Hono, type MiddlewareHandler } from "hono"
import { cors } from "hono/cors"
import { HTTPException } from "hono/http-exception"
import type { Metrics } from "#application/ports/metrics.ts"
import { Refusal } from "#domain/errors.ts"
import type { Limits } from "#domain/limits.ts"
import { acceptRequest } from "./accept-request.ts"
import { allowedMethods } from "./allowed-methods.ts"
import { type ApiKey, authenticate } from "./api-key.ts"
import { type BodyLimits, bodyLimits } from "./body-limits.ts"
import { connectionsRoute } from "./connections-route.ts"
import { internal, logDefect, type Runtime, runOn } from "./endpoint.ts"
import type { Env } from "./env.ts"
import { messagesRoute } from "./messages-route.ts"
import { type ProbesOptions, probesRoute } from "./probes-route.ts"
import { problem } from "./problem.ts"
import { revocationsRoute } from "./revocations-route.ts"
import { roomsRoute } from "./rooms-route.ts"
import { statusRoute } from "./status-route.ts"
import { usersRoute } from "./users-route.ts"

export interface HttpAppOptions extends ProbesOptions {
  readonly runtime: Runtime
  readonly metrics: Metrics["Service"]
  readonly limits: Limits
  readonly keys: readonly ApiKey[]
  /** Which browsers' pages may call the API. */
  readonly origins: (origin: string) => boolean
  readonly accessLog: boolean
  /** The most bytes of a body; undefined: by `limits.payloadBytes`. */
  readonly bodyLimits: BodyLimits | undefined
}

const CORS_MAX_AGE_S = 600

/** Answers preflights and names the origin; a request without Origin is no browser's and passes by. */
const browsers = (origins: (origin: string) => boolean): MiddlewareHandler<Env> => {
  const answer = cors({
    origin: (origin) => (origins(origin) ? origin : null),
    allowMethods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    allowHeaders: ["Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"],
    exposeHeaders: ["X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy"],
    maxAge: CORS_MAX_AGE_S,
  })
  return (c, next) => (c.req.header("origin") === undefined ? next() : answer(c, next))
}

/** No route: 404, or 405 where the path has one for another method. */
const noRoute = (app: Hono<Env>): ((c: Context<Env>) => Response) => {
  let methodsOf: ReturnType<typeof allowedMethods> | undefined
  return (c) => {
    methodsOf ??= allowedMethods(app.routes)
    const allowed = methodsOf(c.req.path)
    if (allowed.length === 0) return problem(c, new Refusal("not_found", "there is no such route"))
    c.header("Allow", allowed.join(", "))
    if (c.req.method === "OPTIONS") return c.body(null, 204)
    return problem(c, new Refusal("method_not_allowed", `${allowed.join(", ")}; found ${c.req.method}`))
  }
}

/** The HTTP API, the probes and the metrics. The same answers on every runtime: it is a plain `fetch` function. */
export const httpApp = (options: HttpAppOptions): Hono<Env> => {
  const { runtime, metrics, limits, accessLog } = options
  const bodyLimitOf = bodyLimits(limits, options.bodyLimits)
  const app = new Hono<Env>()
  app.use(acceptRequest({ runtime, metrics, accessLog, bodyLimitOf }))
  app.onError((error, c) => {
    if (error instanceof HTTPException && error.status < 500)
      return problem(c, new Refusal("invalid_request", error.message))
    logDefect(runtime, c, Cause.die(error))
    return problem(c, internal())
  })
  app.notFound(noRoute(app))
  app.route("/", probesRoute(options))
  app.use("/v1/*", browsers(options.origins))
  app.use("/v1/*", authenticate(runtime, options.keys))
  const run = runOn(runtime)
  app.route("/v1", messagesRoute(run, limits.pushesPerSecond))
  app.route("/v1", connectionsRoute(run))
  app.route("/v1", roomsRoute(run))
  app.route("/v1", usersRoute(run))
  app.route("/v1", revocationsRoute(run))
  app.route("/v1", statusRoute(run))
  return app
}
