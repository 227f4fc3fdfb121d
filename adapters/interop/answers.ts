import type { Cluster, Redis } from "ioredis"

/** Publishes without an answer of Redis yet; past it they are dropped, and whoever asked meets its own time-out. */
const MAX_PENDING = 1_000

export interface AnswersOptions {
  readonly client: Redis | Cluster
  readonly done: () => void
  readonly failed: (error: unknown) => void
  readonly full: () => void
}

/**
 * The stock adapter's client to publish with. It leaves what `publish` answers alone, and a promise that is rejected with
 * nobody there ends the process; so none gets out of here.
 */
export class Answers {
  private pending = 0
  private readonly options: AnswersOptions

  constructor(options: AnswersOptions) {
    this.options = options
  }

  publish(channel: string, message: string | Buffer): void {
    const { client, done, failed, full } = this.options
    if (this.pending >= MAX_PENDING) {
      full()
      return
    }
    this.pending++
    client
      .publish(channel, message)
      .then(done, failed)
      .finally(() => this.pending--)
  }

  /** For `error`, which the client's owner hears. */
  on(): void {}
  off(): void {}
}
