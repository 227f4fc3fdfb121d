import { createHash } from "node:crypto"
import type { Context } from "hono"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { Env } from "./env.ts"

export interface IdempotencyKey {
  readonly key: string
  /** Tells the same body from another. */
  readonly digest: string
}

const VISIBLE_ASCII = /^[\x21-\x7e]{1,255}$/

/** The header `Idempotency-Key`, if there is one. */
export const idempotencyHeader = (c: Context<Env>): string | undefined | Refused<"invalid_request"> => {
  const given = c.req.header("idempotency-key")
  if (given === undefined || VISIBLE_ASCII.test(given)) return given
  return new Refusal(
    "invalid_request",
    given.length > 255 || given === ""
      ? `Idempotency-Key has 1-255 characters, found ${given.length}`
      : "Idempotency-Key has visible ASCII characters only, without spaces, and is sent once",
  )
}

/** No two credentials share a key, and no item of a batch shares one with a single push. */
export const idempotencyKey = (
  credentialId: string,
  header: string,
  body: string,
  index: number | undefined,
): IdempotencyKey => ({
  key: `${credentialId.length}:${credentialId}${index === undefined ? "" : `/${index}`}:${header}`,
  digest: createHash("sha256").update(body).digest("base64url"),
})
