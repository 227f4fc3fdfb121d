import type { NoticeKind } from "#application/ports/backend.ts"

export interface Notice {
  /** `webhook-id`, the same in every try. */
  readonly id: string
  readonly kind: NoticeKind
  readonly connectionId: string
  readonly userId: string
  /** JSON text */
  readonly body: string
}

/**
 * Notices that wait for one endpoint, at most `limit`. Those of one connection are given out in order and one at a time:
 * the next only after `done`. Different connections do not wait for one another. Of a user, no more wait than places are
 * free: for one more its own oldest is dropped, so that one user cannot push out everybody else's.
 */
export class NoticeQueue {
  private readonly waiting: Notice[] = []
  private readonly byUser = new Map<string, number>()
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
    const free = this.limit - this.waiting.length
    const own = this.byUser.get(notice.userId) ?? 0
    const dropped =
      own > 0 && own >= free
        ? this.remove(({ userId }) => userId === notice.userId)
        : free <= 0
          ? this.remove(() => true)
          : undefined
    this.waiting.push(notice)
    this.byUser.set(notice.userId, (this.byUser.get(notice.userId) ?? 0) + 1)
    return dropped
  }

  /** The oldest notice whose connection has none under way; it is under way from now on. */
  take(): Notice | undefined {
    const notice = this.remove(({ connectionId }) => !this.busy.has(connectionId))
    if (notice !== undefined) this.busy.add(notice.connectionId)
    return notice
  }

  done(notice: Notice): void {
    this.busy.delete(notice.connectionId)
  }

  /** The oldest that is so. */
  private remove(isSo: (notice: Notice) => boolean): Notice | undefined {
    const at = this.waiting.findIndex(isSo)
    const [notice] = at < 0 ? [] : this.waiting.splice(at, 1)
    if (notice === undefined) return undefined
    const left = (this.byUser.get(notice.userId) ?? 0) - 1
    if (left > 0) this.byUser.set(notice.userId, left)
    else this.byUser.delete(notice.userId)
    return notice
  }
}
