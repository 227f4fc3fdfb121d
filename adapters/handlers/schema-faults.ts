import { type Fault, Refusal, type Refused } from "#domain/errors.ts"
import type { SchemaIssue } from "./standard-schema.ts"

/** More faults than these help nobody, and a hostile client could have millions. */
const MAX_FAULTS = 20
const MAX_DETAIL = 300

const pointerOf = (path: SchemaIssue["path"]): string =>
  (path ?? [])
    .map((part) => String(typeof part === "object" ? part.key : part).slice(0, 100))
    .map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("")

/** A schema's issues as a refusal; pointers (RFC 6901) are into the client's data. */
export const schemaRefusal = (issues: readonly SchemaIssue[]): Refused<"invalid_request"> => {
  const faults: readonly Fault[] = issues
    .slice(0, MAX_FAULTS)
    .map(({ message, path }) => ({ pointer: pointerOf(path), detail: String(message).slice(0, MAX_DETAIL) }))
  const [first] = faults
  const where = first === undefined || first.pointer === "" ? "" : ` at ${first.pointer}`
  return new Refusal("invalid_request", `the data is not valid${where}: ${first?.detail ?? "no reason given"}`, {
    faults,
  })
}
