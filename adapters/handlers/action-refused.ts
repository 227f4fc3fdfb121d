import { type Declined, errorBody, type Refusal } from "#domain/errors.ts"

/**
 * What a handler's `push`, `join` or `leave` rejects with where the gateway refuses: `code` as in the table of errors. An
 * Error, for a handler that does not catch it: it is then logged with the place that called.
 */
export class ActionRefused extends Error {
  override readonly name = "ActionRefused"
  readonly code: string
  /** JSON; faults of the input are `[{ pointer, detail }]`. */
  readonly details: unknown

  constructor(refusal: Refusal | Declined) {
    const { code, message, details } = errorBody(refusal)
    super(`${code}: ${message}`)
    this.code = code
    this.details = details
  }
}
