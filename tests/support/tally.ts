import type { Client } from "./client.ts"

/** What no client may ever see. */
export interface Faults {
  readonly lost: number
  readonly twice: number
  /** Messages of one room whose offset is not above the one before. */
  readonly disorder: number
  readonly notRecovered: number
}

export const NO_FAULTS: Faults = { lost: 0, twice: 0, disorder: 0, notRecovered: 0 }

/** By the numbers that the messages carry. */
export const faultsOf = (
  { received, recovered }: Client,
  owed: readonly number[],
  numberOf: (data: unknown) => number = Number,
): Faults => {
  const numbers = received.map(({ data }) => numberOf(data))
  const distinct = new Set(numbers)
  const last = new Map<string, string>()
  let disorder = 0
  for (const { meta } of received) {
    if (meta.room === undefined || meta.offset === undefined) continue
    if (meta.offset <= (last.get(meta.room) ?? "")) disorder++
    last.set(meta.room, meta.offset)
  }
  return {
    lost: owed.filter((number) => !distinct.has(number)).length,
    twice: numbers.length - distinct.size,
    disorder,
    notRecovered: recovered.slice(1).filter((was) => !was).length,
  }
}

export const addFaults = (all: readonly Faults[]): Faults =>
  all.reduce(
    (sum, each) => ({
      lost: sum.lost + each.lost,
      twice: sum.twice + each.twice,
      disorder: sum.disorder + each.disorder,
      notRecovered: sum.notRecovered + each.notRecovered,
    }),
    NO_FAULTS,
  )
