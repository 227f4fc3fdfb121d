import { z } from "zod"
import { formatPath, schemaAt } from "./config-keys.ts"
import { facts } from "./config-leaf.ts"
import { nearest } from "./nearest.ts"

/** One thing that is wrong with the configuration. None of it shows a secret. */
export interface Mistake {
  /** As in `limits.connectionsPerUser`, or the name of a variable, a flag or a file. */
  readonly key: string
  readonly found: string
  readonly allowed: string
  /** Where it was found: a file, a variable, a flag, or nowhere. */
  readonly source: string
}

const MAX_SHOWN = 80

/** A URL's user, password and query are left out: they may be secrets. */
const show = (value: unknown): string => {
  const shown = (JSON.stringify(value) ?? typeof value)
    .replace(/\/\/[^/\s]*@/, "//…@")
    .replace(/(:\/\/[^?]*\?)[^"]+/, "$1…")
  return shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}…` : shown
}

const kindOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return `a list of ${value.length}`
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** What was found, in words that may be logged: of a secret, or of what may hold one, only its kind and size. */
const describeFound = (path: readonly PropertyKey[], value: unknown): string => {
  if (value === undefined) return "nothing"
  const known = facts.get(schemaAt(path))
  if (known?.secret === true)
    return typeof value === "string" ? `a secret of ${value.length} characters` : kindOf(value)
  const holdsOthers = known === undefined || known.kind === "list"
  return typeof value === "object" || holdsOthers ? kindOf(value) : show(value)
}

export const valueAt = (root: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, step) => (typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined),
    root,
  )

const childrenOf = (path: readonly PropertyKey[]): readonly string[] => {
  const schema = schemaAt(path)
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

const unknownKey = (path: readonly PropertyKey[], name: string): Omit<Mistake, "source"> => {
  const known = childrenOf(path)
  const meant = nearest(name, known)
  return {
    key: formatPath([...path, name]),
    found: "a key that does not exist",
    allowed: meant === undefined ? known.join(", ") : `did you mean ${formatPath([...path, meant])}?`,
  }
}

/** What zod says, in our words. */
export const mistakesOf = (
  issues: readonly z.core.$ZodIssue[],
  root: unknown,
  sourceOf: (path: readonly PropertyKey[]) => string,
): readonly Mistake[] =>
  issues.flatMap((issue) => {
    const source = sourceOf(issue.path)
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((name) => ({ ...unknownKey(issue.path, name), source: sourceOf([...issue.path, name]) }))
    const schema = schemaAt(issue.path)
    const allowed =
      issue.code === "custom"
        ? issue.message
        : (facts.get(schema)?.allowed ??
          (schema instanceof z.ZodObject ? `an object with ${Object.keys(schema.shape).join(", ")}` : issue.message))
    return [
      { key: formatPath(issue.path), found: describeFound(issue.path, valueAt(root, issue.path)), allowed, source },
    ]
  })
