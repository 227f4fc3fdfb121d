import type { Fault, Refused } from "#domain/errors.ts"
import { invalidRequest, jsonPointer } from "#domain/invalid-request.ts"
import type { SchemaIssue } from "./standard-schema.ts"

/** More faults than these help nobody, and a hostile client could have millions. */
const MAX_FAULTS = 20
const MAX_DETAIL = 300

const pointerOf = (path: SchemaIssue["path"]): string =>
  jsonPointer(...(path ?? []).map((part) => (typeof part === "object" ? part.key : part)))

/** A schema's issues as a refusal; pointers (RFC 6901) are into what was checked, by `whole` where they are of all of it. */
export const schemaRefusal = (issues: readonly SchemaIssue[], whole: string): Refused<"invalid_request"> => {
  const faults: readonly Fault[] = issues
    .slice(0, MAX_FAULTS)
    .map(({ message, path }) => ({ pointer: pointerOf(path), detail: String(message).slice(0, MAX_DETAIL) }))
  return invalidRequest(faults, whole)
}
