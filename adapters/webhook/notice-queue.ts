import type { NoticeKind } from "#application/ports/backend.ts"

export interface Notice {
  /** `webhook-id`, the same in every try. */
  readonly id: string
  readonly kind: NoticeKind
  readonly connectionId: string
  /** JSON text */
  readonly body: string
}

/**
 * Notices that wait for one endpoint, at most `limit`, the oldest dropped first. Those of one connection are given out
 * in order and one at a time: the next only after `done`. Different connections do not wait for one another.
 */
export class NoticeQueue {
  private readonly waiting: Notice[] = []
  private readonly busy = new Set<string>()
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  get size(): number {
    return this.waiting.length
  }

  /** What had to make room, if anything. */
  add(notice: Notice): Notice | undefined {
    const dropped = this.waiting.length >= this.limit ? this.waiting.shift() : undefined
    this.waiting.push(notice)
    return dropped
  }

  /** The oldest notice whose connection has none under way; it is under way from now on. */
  take(): Notice | undefined {
    const at = this.waiting.findIndex((notice) => !this.busy.has(notice.connectionId))
    if (at < 0) return undefined
    const [notice] = this.waiting.splice(at, 1)
    if (notice !== undefined) this.busy.add(notice.connectionId)
    return notice
  }

  done(notice: Notice): void {
    this.busy.delete(notice.connectionId)
  }
}
