/**
 * Places for questions that are under way at once. A user may take one while it holds fewer than are free: one alone
 * gets half of them, and each of n users that want all gets the (n + 1)th part, so that somebody else finds one.
 */
export class Bulkhead {
  private readonly byUser = new Map<string, number>()
  private taken = 0
  private readonly places: number

  constructor(places: number) {
    this.places = places
  }

  get size(): number {
    return this.taken
  }

  /** `full`: nobody gets a place; `share`: this user has its share. */
  enter(userId: string): "entered" | "full" | "share" {
    const free = this.places - this.taken
    if (free <= 0) return "full"
    const own = this.byUser.get(userId) ?? 0
    if (own >= free) return "share"
    this.byUser.set(userId, own + 1)
    this.taken++
    return "entered"
  }

  /** Gives one place back that was entered. */
  leave(userId: string): void {
    const own = this.byUser.get(userId) ?? 0
    if (own > 1) this.byUser.set(userId, own - 1)
    else this.byUser.delete(userId)
    this.taken--
  }
}
