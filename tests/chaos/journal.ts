/** Something that happened to a client between two deliveries. `at` is ms since the run began. */
export type Step = { readonly at: number /** So many deliveries came before. */; readonly index: number } & (
  | { readonly kind: "connect"; readonly recovered: boolean }
  | { readonly kind: "ready"; readonly recovered: boolean; readonly node: string; readonly position: number }
  | { readonly kind: "position"; readonly position: number }
  | { readonly kind: "drop"; readonly reason: string }
  | { readonly kind: "join" | "leave" | "left"; readonly room: string }
  | { readonly kind: "joined"; readonly room: string; readonly offset: number }
)

/**
 * What one client saw, in order: plain columns of numbers, for there are millions of deliveries. `numbers` says which
 * push it was; offsets and positions are the ones that came with it.
 */
export interface Journal {
  readonly client: string
  readonly steps: Step[]
  readonly numbers: number[]
  readonly offsets: number[]
  readonly positions: number[]
  readonly at: number[]
}

export const emptyJournal = (client: string): Journal => ({
  client,
  steps: [],
  numbers: [],
  offsets: [],
  positions: [],
  at: [],
})

/** The pushes that were accepted: push `n` went to `rooms[n]` at `offsets[n]`, NaN where no 202 came. */
export interface Accepted {
  readonly rooms: readonly (readonly string[])[]
  readonly offsets: readonly number[]
}

/** The room of a user, as a push names it here. */
export const roomOfUser = (user: string): string => `$user:${user}`

/** For people: everything in the order in which it happened. */
export const linesOf = ({ at, numbers, offsets, positions, steps }: Journal): string[] => {
  const lines: string[] = []
  let next = 0
  const deliveriesUntil = (index: number): void => {
    for (; next < index; next++)
      lines.push(`${at[next]} push ${numbers[next]} offset ${offsets[next]} position ${positions[next]}`)
  }
  for (const { at: time, index, kind, ...more } of steps) {
    deliveriesUntil(index)
    lines.push(`${time} ${kind} ${JSON.stringify(more)}`)
  }
  deliveriesUntil(numbers.length)
  return lines
}
