import { z } from "zod"
import { DURATION_FORMS, parseDuration } from "#domain/duration.ts"

/** How a value is written where there is only text: in the environment and in flags. */
type Kind = "text" | "whole number" | "boolean" | "duration" | "list of texts" | "list"

export interface Facts {
  readonly kind: Kind
  /** What is allowed, in words: for mistakes and for the reference page. */
  readonly allowed: string
  /** Never shown. */
  readonly secret: boolean
}

/** What the schema's own description cannot hold, for each key that takes a value. */
export const facts = z.registry<Facts>()

const leaf = <S extends z.ZodType>(schema: S, kind: Kind, about: string, allowed: string, secret = false): S => {
  const described = schema.describe(about)
  facts.add(described, { kind, allowed, secret })
  return described
}

export const text = (about: string, allowed: string, isAllowed: (value: string) => boolean) =>
  leaf(z.string().refine(isAllowed, allowed), "text", about, allowed)

export const secretText = (about: string, allowed: string, isAllowed: (value: string) => boolean) =>
  leaf(z.string().refine(isAllowed, allowed), "text", about, allowed, true)

/** Text with more than one thing that can be wrong with it: `fault` says which. */
export const checkedText = (about: string, allowed: string, fault: (value: string) => string | undefined) =>
  leaf(
    z.string().superRefine((value, context) => {
      const message = fault(value)
      if (message !== undefined) context.addIssue({ code: "custom", message })
    }),
    "text",
    about,
    allowed,
  )

export const oneOf = <const T extends readonly [string, ...string[]]>(about: string, values: T, more = "") =>
  leaf(z.enum(values), "text", about, `${values.join(", ")}${more}`)

const count = (value: number): string => value.toLocaleString("en-GB")

export const whole = (about: string, min: number, max: number, more = "") =>
  leaf(z.int().min(min).max(max), "whole number", about, `a whole number, ${count(min)}-${count(max)}${more}`)

export const flag = (about: string) => leaf(z.boolean(), "boolean", about, "true, false")

/** `min` and `max` as they are written; the value is in ms. */
export const duration = (about: string, min: string, max: string) => {
  const least = parseDuration(min) ?? 0
  const most = parseDuration(max) ?? 0
  const allowed = `a duration, ${min}-${max}, written ${DURATION_FORMS}`
  return leaf(
    z.union([z.string(), z.number()]).transform((value, context) => {
      const ms = parseDuration(value)
      if (ms !== undefined && ms >= least && ms <= most) return ms
      context.addIssue({ code: "custom", message: allowed })
      return z.NEVER
    }),
    "duration",
    about,
    allowed,
  )
}

export const texts = <S extends z.ZodType>(item: S, about: string, allowed: string) =>
  leaf(z.array(item), "list of texts", about, allowed)

export const list = <S extends z.ZodType>(item: S, about: string, allowed: string) =>
  leaf(z.array(item), "list", about, allowed)
