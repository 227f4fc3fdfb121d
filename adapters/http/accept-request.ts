import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type { Context, MiddlewareHandler } from "hono"
import { matchedRoutes } from "hono/route"
import type { Metrics } from "#application/ports/metrics.ts"
import { Refusal } from "#domain/errors.ts"
import { LOG, type Runtime } from "./endpoint.ts"
import type { Env } from "./env.ts"
import { problem } from "./problem.ts"

export interface AcceptOptions {
  readonly runtime: Runtime
  readonly metrics: Metrics["Service"]
  /** Logs each request, at debug. */
  readonly accessLog: boolean
  readonly bodyLimitOf: (path: string) => number
}

const REQUEST_ID = /^[\w.-]{1,128}$/
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

/** The pattern of the route, as `/v1/rooms/:room`: a metric's label may not grow with the rooms. */
const routeOf = (c: Context<Env>): string =>
  matchedRoutes(c).findLast((route) => route.method !== "ALL")?.path ?? "unmatched"

const isDecodable = (url: string): boolean => {
  try {
    decodeURIComponent(url)
    return true
  } catch {
    return false
  }
}

/** Once around every request, in one layer because each costs: its id, its bounds, its metric, its line in the log. */
export const acceptRequest =
  ({ runtime, metrics, accessLog, bodyLimitOf }: AcceptOptions): MiddlewareHandler<Env> =>
  async (c, next) => {
    const started = performance.now()
    const given = c.req.header("x-request-id")
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID()
    c.set("requestId", requestId)
    c.set("bodyLimit", bodyLimitOf(c.req.path))
    c.header("X-Request-Id", requestId)
    if (c.req.url.includes("%") && !isDecodable(c.req.url))
      c.res = problem(
        c,
        new Refusal("invalid_request", "the URL has a % that does not begin an encoded UTF-8 character"),
      )
    else await next()

    const seconds = (performance.now() - started) / 1000
    const method = METHODS.has(c.req.method) ? c.req.method : "other"
    const { status } = c.res
    const route = routeOf(c)
    const code = c.get("code")
    metrics.httpRequest(method, route, status, seconds)
    if (code !== undefined) metrics.errorAnswered(code, "http")
    if (code === "payload_too_large") metrics.limitHit("request_bytes")
    if (accessLog)
      runtime.runFork(
        Effect.logDebug("request").pipe(
          Effect.annotateLogs({ ...LOG, requestId, method, route, status, ms: Math.round(seconds * 1e5) / 100 }),
          code === undefined ? (log) => log : Effect.annotateLogs({ code }),
        ),
      )
  }
