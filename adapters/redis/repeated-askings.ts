import { randomBytes } from "node:crypto"

/** Past it the oldest is forgotten: it is as if it had not been asked. */
export const MAX_UNANSWERED = 1_000

/** Asks under an id, and asks again under the same one where there was no answer: what the first asking did is known by it. */
export class RepeatedAskings {
  private readonly unanswered = new Map<string, string>()
  private readonly limitHit: (limit: string) => void

  constructor(limitHit: (limit: string) => void) {
    this.limitHit = limitHit
  }

  /** `about`: what is asked again is about the same. Rejects as `ask` does. */
  async ask(about: string, ask: (asking: string) => Promise<unknown>): Promise<unknown> {
    const asking = this.unanswered.get(about) ?? randomBytes(9).toString("base64url")
    try {
      const answer = await ask(asking)
      if (this.unanswered.get(about) === asking) this.unanswered.delete(about)
      return answer
    } catch (error) {
      this.unanswered.set(about, asking)
      const [oldest] = this.unanswered.keys()
      if (this.unanswered.size > MAX_UNANSWERED && oldest !== undefined) {
        this.limitHit("directory_askings")
        this.unanswered.delete(oldest)
      }
      throw error
    }
  }
}
