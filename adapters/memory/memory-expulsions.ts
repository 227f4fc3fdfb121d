import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"

interface ExpulsionsOptions {
  readonly keptMs: number
  readonly most: number
  readonly nowMs: () => number
  readonly limitHit: (limit: string) => void
}

/** No room's name has a space. */
const keyOf = (userId: string, room: RoomName): string => `${room} ${userId}`

/** Who was taken out of which room. */
export class MemoryExpulsions {
  /** In the order in which they came. */
  private readonly all = new Map<string, { readonly at: Offset; readonly until: number }>()
  private readonly options: ExpulsionsOptions

  constructor(options: ExpulsionsOptions) {
    this.options = options
  }

  add(userId: string, room: RoomName, at: Offset): void {
    const key = keyOf(userId, room)
    const { keptMs, limitHit, most, nowMs } = this.options
    const now = nowMs()
    const before = this.all.get(key)?.at ?? 0
    this.all.delete(key)
    this.all.set(key, { at: Math.max(at, before), until: now + keptMs })
    for (const [oldest, { until }] of this.all) {
      if (until > now && this.all.size <= most) return
      if (until > now) limitHit("expulsions")
      this.all.delete(oldest)
    }
  }

  among(userId: string, rooms: readonly RoomName[]): ReadonlyMap<RoomName, Offset> {
    const now = this.options.nowMs()
    const found = new Map<RoomName, Offset>()
    for (const room of rooms) {
      const known = this.all.get(keyOf(userId, room))
      if (known !== undefined && known.until > now) found.set(room, known.at)
    }
    return found
  }
}
