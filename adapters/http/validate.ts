import { zValidator } from "@hono/zod-validator"
import type { Context, MiddlewareHandler } from "hono"
import { z } from "zod"
import { Refusal, type Refused } from "#domain/errors.ts"
import { invalidRequest } from "#domain/invalid-request.ts"
import { readJson } from "./body.ts"
import type { Env } from "./env.ts"
import { faultsOf } from "./faults.ts"
import { problem } from "./problem.ts"

/** An object that refuses members it does not know, by name, and says which it knows. */
export const strictObject = <S extends z.core.$ZodShape>(shape: S) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? `unknown; known are ${Object.keys(shape).join(", ")}` : undefined,
  })

/** The value in the schema's form, or every fault of it. */
export const check = <S extends z.ZodType>(
  schema: S,
  value: unknown,
): { value: z.output<S> } | Refused<"invalid_request"> => {
  const result = schema.safeParse(value)
  return result.success ? { value: result.data } : invalidRequest(faultsOf(result.error.issues, value))
}

type Json<S extends z.ZodType> = { out: { json: z.output<S> } }

/** A JSON body in the schema's form, for `c.req.valid("json")`: else 400, 413, 415 or 422. */
export const jsonBody =
  <S extends z.ZodType<object>>(schema: S): MiddlewareHandler<Env, string, Json<S>> =>
  async (c, next) => {
    const body = await readJson(c)
    if (body instanceof Refusal) return problem(c, body)
    const checked = check(schema, body.value)
    if (checked instanceof Refusal) return problem(c, checked)
    c.req.addValidatedData("json", checked.value)
    return next()
  }

type Failure = { readonly success: false; readonly error: z.core.$ZodError; readonly data: unknown }

const refuse = (result: Failure | { readonly success: true }, c: Context<Env>): Response | undefined =>
  result.success ? undefined : problem(c, invalidRequest(faultsOf(result.error.issues, result.data)))

/** The query in the schema's form, for `c.req.valid("query")`: else 422, each pointer a parameter's name. */
export const query = <S extends z.ZodType>(
  schema: S,
): MiddlewareHandler<Env, string, { out: { query: z.output<S> } }> =>
  zValidator("query", schema, (result, c: Context<Env>) => refuse(result, c))

/** The path's parameters in the schema's form, decoded, for `c.req.valid("param")`: else 422. */
export const params = <S extends z.ZodType>(
  schema: S,
): MiddlewareHandler<Env, string, { out: { param: z.output<S> } }> =>
  zValidator("param", schema, (result, c: Context<Env>) => refuse(result, c))
