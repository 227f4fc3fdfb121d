import { createHash, timingSafeEqual } from "node:crypto"
import { Hono } from "hono"
import { Refusal } from "#domain/errors.ts"
import type { Env } from "./env.ts"
import { problem } from "./problem.ts"

export interface ProbesOptions {
  /** Why this node should get no new connections, or undefined where it should: `draining`, or what is away. */
  readonly readiness: () => string | undefined
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly body: string }>
  /** Where set, `/metrics` asks for it as `Authorization: Bearer`. */
  readonly metricsToken: string | undefined
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest()

/** `/livez`: the process answers. `/readyz`: it takes clients. `/metrics`: in the exporter's own format. */
export const probesRoute = ({ readiness, metricsText, metricsToken }: ProbesOptions): Hono<Env> => {
  const expected = metricsToken === undefined ? undefined : sha256(`Bearer ${metricsToken}`)
  return new Hono<Env>()
    .get("/livez", (c) => c.text("ok", 200, { "Cache-Control": "no-store" }))
    .get("/readyz", (c) => {
      const reason = readiness()
      if (reason === undefined) return c.text("ok", 200, { "Cache-Control": "no-store" })
      return problem(c, new Refusal(reason.startsWith("draining") ? "draining" : "engine_unavailable", reason))
    })
    .get("/metrics", async (c) => {
      if (expected !== undefined && !timingSafeEqual(expected, sha256(c.req.header("authorization") ?? "")))
        return problem(c, new Refusal("unauthorized", "send the token of the metrics as Authorization: Bearer"))
      const { contentType, body } = await metricsText()
      return c.body(body, 200, { "Content-Type": contentType, "Cache-Control": "no-store" })
    })
}
