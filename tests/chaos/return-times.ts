import type { Journal } from "./journal.ts"

export interface NodeDeath {
  readonly node: string
  /** ms since the run began. */
  readonly at: number
}

/** When it had everything that was published before it was back. */
const completeAt = ({ at, offsets }: Journal, from: number, readyAt: number, startedAt: number): number => {
  let complete = readyAt
  for (let i = from; i < offsets.length && offsets[i]! / 1000 - startedAt <= readyAt; i++)
    complete = Math.max(complete, at[i]!)
  return complete
}

/**
 * For each death of a node that this client was connected to: the time until it was ready on another one and had all
 * that was published before that. Redis and the clients share a clock here, so that an offset is a time.
 */
export const returnTimes = (journal: Journal, deaths: readonly NodeDeath[], startedAt: number): number[] =>
  deaths.flatMap(({ at, node }) => {
    let on: string | undefined
    for (const step of journal.steps) {
      if (step.at <= at) {
        if (step.kind === "ready") on = step.node
        if (step.kind === "drop") on = undefined
      } else if (on !== node) return []
      else if (step.kind === "ready")
        return step.recovered ? [completeAt(journal, step.index, step.at, startedAt) - at] : []
    }
    return []
  })
