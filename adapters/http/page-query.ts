import { z } from "zod"
import { DEFAULT_PAGE, MAX_PAGE } from "#domain/presence.ts"

const MAX_CURSOR = 1_024

/** `limit`: 1 to 1,000 items of a list, 100 where it is left out. */
export const limit = z
  .string()
  .transform((text, ctx) => {
    const items = /^\d{1,5}$/.test(text) ? Number(text) : 0
    if (items >= 1 && items <= MAX_PAGE) return items
    ctx.addIssue(`is a whole number from 1 to ${MAX_PAGE}, found ${JSON.stringify(text.slice(0, 20))}`)
    return z.NEVER
  })
  .default(DEFAULT_PAGE)

/** What every list takes. An unknown cursor is the beginning. */
export const page = { limit, cursor: z.string().max(MAX_CURSOR).optional() }
