import type { Limits } from "#domain/limits.ts"

/** The most bytes that a body may have. */
export interface BodyLimits {
  readonly push: number
  readonly batch: number
  readonly other: number
}

/** Beside a payload: targets, names, and what JSON puts around them. */
const ENVELOPE = 16_384
const MAX_BATCH_BYTES = 10_485_760
const OTHER_BYTES = 1_048_576

/** 1,000 pushes in a batch as long as they stay under 10 MiB; a payload without limit is bounded by the same. */
const defaults = ({ payloadBytes }: Limits): BodyLimits => {
  const push = payloadBytes === 0 ? MAX_BATCH_BYTES : payloadBytes + ENVELOPE
  return { push, batch: Math.max(push, Math.min(1_000 * push, MAX_BATCH_BYTES)), other: OTHER_BYTES }
}

/** The limit of each path's body. */
export const bodyLimits = (limits: Limits, configured: BodyLimits | undefined): ((path: string) => number) => {
  const { push, batch, other } = configured ?? defaults(limits)
  return (path) => (path === "/v1/messages" ? push : path === "/v1/messages/batch" ? batch : other)
}
