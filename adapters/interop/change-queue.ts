/** One `socketsJoin` of a stock server can mean every connection of this node. */
export const MAX_CHANGES = 100_000
const AT_ONCE = 16

/** What other programs asked for: some of it under way, begun in the order asked, and the event loop free in between. */
export class ChangeQueue<Change> {
  private waiting: Change[] = []
  private next = 0
  private running = 0
  private scheduled = false
  private readonly run: (change: Change, ended: () => void) => void
  private readonly full: () => void

  constructor(run: (change: Change, ended: () => void) => void, full: () => void) {
    this.run = run
    this.full = full
  }

  get size(): number {
    return this.waiting.length - this.next + this.running
  }

  add(change: Change): void {
    if (this.size >= MAX_CHANGES) {
      this.full()
      return
    }
    this.waiting.push(change)
    this.schedule()
  }

  clear(): void {
    this.waiting = []
    this.next = 0
  }

  private schedule(): void {
    if (this.scheduled || this.next === this.waiting.length) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      this.begin()
    })
  }

  private begin(): void {
    for (let begun = 0; begun < AT_ONCE && this.running < AT_ONCE; begun++) {
      const change = this.waiting[this.next]
      if (change === undefined) break
      this.next++
      if (this.next === this.waiting.length) this.clear()
      this.running++
      this.run(change, () => {
        this.running--
        this.schedule()
      })
    }
    if (this.running < AT_ONCE) this.schedule()
  }
}
