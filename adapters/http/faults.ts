import type { z } from "zod"
import type { Fault } from "#domain/errors.ts"
import { jsonPointer } from "#domain/invalid-request.ts"

type Issue = z.core.$ZodIssue

const at = (value: unknown, path: readonly PropertyKey[]): unknown => {
  let found = value
  for (const step of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, step)) return undefined
    found = Reflect.get(found, step)
  }
  return found
}

const kindOf = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value)

/** Numbers and short words as they are, everything else by its kind: a caller's own text is not thrown back whole. */
const show = (value: unknown): string =>
  typeof value === "number" || typeof value === "boolean" || (typeof value === "string" && value.length <= 40)
    ? JSON.stringify(value)
    : kindOf(value)

const sizeOf = (value: unknown): string =>
  Array.isArray(value) || typeof value === "string" ? String(value.length) : show(value)

const UNITS: Record<string, string> = { array: " items", string: " characters", object: " members" }

const bound = (word: string, limit: number | bigint, origin: string, found: unknown): string =>
  `${word} ${limit}${UNITS[origin] ?? ""}, found ${sizeOf(found)}`

const EXPECTED: Record<string, string> = { int: "whole number", nonoptional: "any JSON" }

const wrongType = (type: string, found: unknown): string => {
  const expected = EXPECTED[type] ?? type
  if (found === undefined) return `is missing, expected: ${expected}`
  return `expected: ${expected}, found ${type === "int" ? show(found) : kindOf(found)}`
}

const detailOf = (issue: Issue, found: unknown): string => {
  switch (issue.code) {
    case "invalid_type":
      return issue.expected === "never" ? issue.message : wrongType(issue.expected, found)
    case "too_big":
      return bound(issue.inclusive === false ? "less than" : "at most", issue.maximum, issue.origin, found)
    case "too_small":
      return bound(issue.inclusive === false ? "more than" : "at least", issue.minimum, issue.origin, found)
    case "invalid_value":
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}, found ${show(found)}`
    default:
      return issue.message
  }
}

const add = (issue: Issue, root: unknown, base: readonly PropertyKey[], faults: Fault[]): void => {
  const path = [...base, ...issue.path]
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) faults.push({ pointer: jsonPointer(...path, key), detail: issue.message })
    return
  }
  if (issue.code === "invalid_union") {
    const nearest = issue.errors.toSorted((a, b) => a.length - b.length)[0]
    if (nearest !== undefined) {
      for (const inner of nearest) add(inner, root, path, faults)
      return
    }
  }
  faults.push({ pointer: jsonPointer(...path), detail: detailOf(issue, at(root, path)) })
}

/** One fault for each thing that is wrong, with what was found and what is allowed. */
export const faultsOf = (issues: readonly Issue[], root: unknown): readonly Fault[] => {
  const faults: Fault[] = []
  for (const issue of issues) add(issue, root, [], faults)
  return faults
}
