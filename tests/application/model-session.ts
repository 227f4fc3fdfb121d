import type { LocalConnection } from "#application/local-connections.ts"
import type { Publish, Published } from "#application/ports/engine.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"

export type Said = { readonly publish: Publish; readonly published: Published }

/** A stay in a room: messages above `from` are owed. From `certainTo` on they may come, from `possibleTo` on no more. */
interface Stay {
  readonly room: RoomName
  readonly from: Offset
  certainTo: Offset
  possibleTo: Offset
}

/** What one session is owed, as somebody knows who saw all of its connections. */
export class ModelSession {
  readonly ids = new Set<string>()
  /** When its last connection was given up, ms; undefined: one is open. */
  closedAt: number | undefined
  /** Its client was sent away: nothing is owed any more. */
  sentAway = false
  private owner = 0
  private readonly stays: Stay[] = []

  /** Looks at the rooms that one of its connections is in. Answers what it lost without anybody's wish. */
  look({ id, rooms, session }: LocalConnection, newest: Offset): string | undefined {
    const { owner } = session ?? { owner: 0 }
    if (owner < this.owner) return undefined
    this.owner = owner
    this.ids.add(id)
    for (const [room, { at }] of rooms)
      if (!room.startsWith("$connection:") && !this.open().some((stay) => stay.room === room && stay.from === at))
        this.stays.push({
          room,
          from: at,
          certainTo: Number.POSITIVE_INFINITY,
          possibleTo: Number.POSITIVE_INFINITY,
        })
    for (const stay of this.open()) {
      if (rooms.get(stay.room)?.at === stay.from) continue
      stay.possibleTo = newest
      if (stay.certainTo === Number.POSITIVE_INFINITY) return `${id} is out of ${stay.room}, and nobody wanted that`
    }
    return undefined
  }

  /** Somebody wants it out of a room: from here on nothing of it is certain. */
  leave(room: RoomName, newest: Offset): void {
    for (const stay of this.open()) if (stay.room === room) stay.certainTo = Math.min(stay.certainTo, newest)
  }

  rooms(): readonly { readonly room: RoomName; readonly from: Offset }[] {
    return this.open()
  }

  /** It may get this message. */
  may({ publish: { message }, published: { offset } }: Said, userId: string): boolean {
    const { except, rooms } = message
    if (except?.users.includes(userId) || except?.connections.some((id) => this.ids.has(id))) return false
    return rooms.some((room) =>
      this.stays.some((stay) => stay.room === room && stay.from < offset && offset <= stay.possibleTo),
    )
  }

  /** It must get this message, in a replay if need be, as far as it does not expire. */
  must(said: Said, userId: string, nowMs: number): boolean {
    const { histories, message } = said.publish
    const { offset } = said.published
    if (message.volatile || (message.expiresAt ?? Number.POSITIVE_INFINITY) <= nowMs || !this.may(said, userId))
      return false
    if (message.except?.rooms.some((room) => this.stays.some((stay) => stay.room === room))) return false
    return message.rooms.some(
      (room, i) =>
        histories[i] !== undefined &&
        this.stays.some((stay) => stay.room === room && stay.from < offset && offset <= stay.certainTo),
    )
  }

  private open(): Stay[] {
    return this.stays.filter(({ possibleTo }) => possibleTo === Number.POSITIVE_INFINITY)
  }
}
