import type { Accepted } from "./journal.ts"

/** The accepted pushes of each room, by offset. */
export type RoomIndex = ReadonlyMap<string, readonly number[]>

export const indexRooms = ({ offsets, rooms }: Accepted): RoomIndex => {
  const index = new Map<string, number[]>()
  for (const [n, names] of rooms.entries()) {
    if (Number.isNaN(offsets[n])) continue
    for (const name of names) {
      const list = index.get(name)
      if (list === undefined) index.set(name, [n])
      else list.push(n)
    }
  }
  for (const list of index.values()) list.sort((a, b) => offsets[a]! - offsets[b]!)
  return index
}

/** Where what is newer than `from` begins. */
export const firstAfter = (pushes: readonly number[], offsets: readonly number[], from: number): number => {
  let low = 0
  let high = pushes.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (offsets[pushes[middle]!]! > from) high = middle
    else low = middle + 1
  }
  return low
}
