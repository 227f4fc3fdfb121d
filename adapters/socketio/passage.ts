import type { Agent } from "node:http"

/** How long a node waits for another. */
export interface Waits {
  readonly connectMs: number
  /** For the next step of an answer: its beginning, then all of it read by the client. */
  readonly answerMs: number
  /** For a side of a WebSocket that takes nothing. */
  readonly stallMs: number
  /** For one side of a WebSocket to go after the other. */
  readonly lingerMs: number
}

/** One request on its way to the node that has its session. */
export interface Passage {
  readonly host: string
  readonly port: number
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly waits: Waits
  /** That node cannot be reached, or answers nothing: whoever sent the request has heard nothing yet. */
  readonly gone: () => void
  /** One of the waits was over. */
  readonly late: () => void
  /** It is over, once. */
  readonly done: () => void
}

export interface RequestPassage extends Passage {
  readonly agent: Agent
}
