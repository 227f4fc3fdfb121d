/**
 * Offsets order the messages of one partition: microseconds of the store's clock, never twice the same. A position is
 * one offset per partition: "everything up to here was delivered, in every room of mine". Both are opaque to clients.
 */
export type Offset = number

/** `max(last + 1, now)`: the clock as a reader or a publisher moves it on. */
export const nextOffset = (last: Offset, nowMs: number): Offset => Math.max(last + 1, nowMs * 1000)

export const offsetToMs = (offset: Offset): number => Math.floor(offset / 1000)

export const formatOffset = (epoch: string, offset: Offset): string => `${epoch}.${offset}`

export const parseOffset = (text: unknown): { readonly epoch: string; readonly offset: Offset } | undefined => {
  if (typeof text !== "string" || text.length > 64) return undefined
  const match = /^([\w-]{1,40})\.(\d{1,16})$/.exec(text)
  if (match === null) return undefined
  const offset = Number(match[2])
  return Number.isSafeInteger(offset) ? { epoch: match[1] ?? "", offset } : undefined
}

export interface Position {
  readonly epoch: string
  readonly offsets: readonly Offset[]
}

export const formatPosition = (epoch: string, offsets: readonly Offset[]): string => {
  let text = epoch
  for (const offset of offsets) text += `.${offset.toString(36)}`
  return text
}

const MAX_PARTITIONS = 1024

export const parsePosition = (text: unknown): Position | undefined => {
  if (typeof text !== "string" || text.length > 64 + 12 * MAX_PARTITIONS) return undefined
  const [epoch = "", ...parts] = text.split(".")
  if (!/^[\w-]{1,40}$/.test(epoch) || parts.length === 0 || parts.length > MAX_PARTITIONS) return undefined
  const offsets: Offset[] = []
  for (const part of parts) {
    if (!/^[0-9a-z]{1,11}$/.test(part)) return undefined
    const offset = Number.parseInt(part, 36)
    if (!Number.isSafeInteger(offset)) return undefined
    offsets.push(offset)
  }
  return { epoch, offsets }
}
