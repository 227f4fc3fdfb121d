import { Hono } from "hono"
import { z } from "zod"
import type { Revocation, RevocationInput } from "#application/ports/revocations.ts"
import { liftRevocation } from "#application/use-cases/lift-revocation.ts"
import { listRevocations } from "#application/use-cases/list-revocations.ts"
import { revokeTokens } from "#application/use-cases/revoke-tokens.ts"
import { type Run, requireScope } from "./endpoint.ts"
import type { Env } from "./env.ts"
import { mayManage } from "./may-manage.ts"
import { userName } from "./names.ts"
import { page } from "./page-query.ts"
import { jsonBody, params, query, strictObject } from "./validate.ts"

/** Smaller numbers are seconds, as tokens have them: taken for ms they would revoke nothing, and nobody would see. */
const FIRST_MS = 100_000_000_000
const MAX_TOKEN_ID = 512

const ms = z.int().refine((time) => time >= FIRST_MS, { error: "is a time in ms since 1970; this looks like seconds" })
const input = z.union([
  strictObject({ userId: userName, issuedBefore: ms }),
  strictObject({ jti: z.string().min(1).max(MAX_TOKEN_ID), expiresAt: ms.optional() }),
])

const inputOf = (body: z.output<typeof input>): RevocationInput =>
  "userId" in body
    ? { userId: body.userId, issuedBefore: body.issuedBefore / 1000 }
    : { tokenId: body.jti, expiresAt: body.expiresAt === undefined ? undefined : body.expiresAt / 1000 }

/** Tokens tell times in seconds (RFC 7519), the API in ms. */
const view = (revocation: Revocation) => {
  const { id, createdAt } = revocation
  if ("userId" in revocation)
    return { id, userId: revocation.userId, issuedBefore: Math.round(revocation.issuedBefore * 1000), createdAt }
  const { tokenId: jti, expiresAt } = revocation
  return expiresAt === undefined
    ? { id, jti, createdAt }
    : { id, jti, expiresAt: Math.round(expiresAt * 1000), createdAt }
}

/** `/revocations` and what is below. */
export const revocationsRoute = (run: Run): Hono<Env> =>
  new Hono<Env>()
    .get("/revocations", requireScope("read"), query(strictObject(page)), (c) => {
      const { limit, cursor } = c.req.valid("query")
      return run(c, listRevocations({ limit, cursor }), ({ items, nextCursor }) =>
        c.json({ items: items.map(view), nextCursor }),
      )
    })
    .post("/revocations", mayManage, jsonBody(input), (c) =>
      run(c, revokeTokens(inputOf(c.req.valid("json"))), (revoked) => c.json(revoked, 201)),
    )
    .delete("/revocations/:id", mayManage, params(z.object({ id: z.string() })), (c) =>
      run(c, liftRevocation(c.req.valid("param").id), () => c.body(null, 204)),
    )
