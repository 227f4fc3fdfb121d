/** Ids that were seen within `forMs`, at most `limit`. Told the time, in ms. */
export class SeenIds {
  /** When each is forgotten; in the order added, which is the order of that. */
  private readonly forgetAt = new Map<string, number>()
  private readonly forMs: number
  private readonly limit: number

  constructor(forMs: number, limit: number) {
    this.forMs = forMs
    this.limit = limit
  }

  /** `full`: no room for one more, so nothing can be said of this id. */
  add(id: string, nowMs: number): "new" | "seen" | "full" {
    for (const [old, at] of this.forgetAt) {
      if (at > nowMs) break
      this.forgetAt.delete(old)
    }
    if (this.forgetAt.has(id)) return "seen"
    if (this.forgetAt.size >= this.limit) return "full"
    this.forgetAt.set(id, nowMs + this.forMs)
    return "new"
  }
}
