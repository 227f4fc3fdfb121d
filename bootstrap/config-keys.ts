import { z } from "zod"
import { type Facts, facts } from "./config-leaf.ts"
import { configSchema } from "./config-schema.ts"

/** A key of the configuration: one that takes a value, or a group of them. */
export interface Key {
  /** As in `limits.connectionsPerUser`. */
  readonly path: string
  readonly env: string
  readonly about: string
  /** Undefined: a group. */
  readonly facts: Facts | undefined
  readonly schema: z.ZodType
  /** As it would be written; undefined: there is none. */
  readonly default: unknown
}

/** The schema under what makes it optional or gives it a default. */
export const bare = (schema: z.core.$ZodType): z.core.$ZodType => {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return bare(schema.def.innerType)
  return schema instanceof z.ZodPipe && !facts.has(schema) ? bare(schema.def.in) : schema
}

const defaultOf = (schema: z.core.$ZodType): unknown =>
  schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ? schema.def.defaultValue : undefined

/** `limits.connectionsPerUser`: `ROOMCAST_LIMITS_CONNECTIONS_PER_USER`. */
const envName = (path: string): string =>
  `ROOMCAST_${path
    .replaceAll(".", "_")
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase()}`

/** The keys of one object, each group before what is in it. */
export const keysOf = (object: z.ZodObject, prefix = ""): readonly Key[] =>
  Object.entries(object.shape).flatMap(([name, schema]): readonly Key[] => {
    const path = `${prefix}${name}`
    const inner = bare(schema)
    const key: Key = {
      path,
      env: envName(path),
      about: inner instanceof z.ZodType ? (inner.description ?? "") : "",
      facts: facts.get(inner),
      schema,
      default: defaultOf(schema),
    }
    return inner instanceof z.ZodObject && key.facts === undefined ? [key, ...keysOf(inner, `${path}.`)] : [key]
  })

/** Every key that a file, a variable or a flag may set; what is in a list belongs to the list. */
export const KEYS: readonly Key[] = keysOf(configSchema)

/** The nearest schema that the path leads to, items of lists included. */
export const schemaAt = (path: readonly PropertyKey[]): z.core.$ZodType => {
  let schema: z.core.$ZodType = configSchema
  for (const step of path) {
    const inner = bare(schema)
    const next: z.core.$ZodType | undefined =
      inner instanceof z.ZodObject
        ? inner.shape[String(step)]
        : inner instanceof z.ZodArray
          ? inner.def.element
          : undefined
    if (next === undefined) break
    schema = next
  }
  return bare(schema)
}

export const formatPath = (path: readonly PropertyKey[]): string =>
  path.map((step, i) => (typeof step === "number" ? `[${step}]` : `${i === 0 ? "" : "."}${String(step)}`)).join("")
