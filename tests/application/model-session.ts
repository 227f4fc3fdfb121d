import type { LocalConnection } from "#application/local-connections.ts"
import type { Publish, Published } from "#application/ports/engine.ts"
import type { Offset } from "#domain/offset.ts"
import { EVERYBODY, type RoomName } from "#domain/room.ts"

export type Said = { readonly publish: Publish; readonly published: Published }

/** A stay in a room: messages above `from` are owed, up to `to` where it left. */
interface Stay {
  readonly room: RoomName
  readonly from: Offset
  to: Offset
  /** Somebody wants it out: what it gets of the room from now on is a matter of luck. */
  leaving: boolean
}

/** What one session is owed, as somebody knows who saw all of its connections. */
export class ModelSession {
  readonly ids = new Set<string>()
  /** Of connections that asked for it: whether they got it is not known where the answer was lost. */
  readonly askers = new Set<string>()
  /** When its last connection was given up, ms; undefined: one is open. */
  closedAt: number | undefined
  /** Its client was sent away: nothing is owed any more. */
  sentAway = false
  /** Rooms that somebody wanted it in: whether they are written is not known before that is answered. */
  readonly wanted = new Set<RoomName>([EVERYBODY])
  private owner = 0
  private readonly stays: Stay[] = []
  /** Rooms that somebody is about to take it out of, once for each. */
  private readonly leaves: RoomName[] = []

  /** Looks at the rooms that one of its connections is in. Answers what it lost without anybody's wish. */
  look({ id, rooms, session }: LocalConnection, newest: Offset): string | undefined {
    const { owner } = session ?? { owner: 0 }
    this.ids.add(id)
    if (owner < this.owner) return undefined
    this.owner = owner
    for (const [room, { at }] of rooms)
      if (!room.startsWith("$connection:") && !this.open().some((stay) => stay.room === room && stay.from === at))
        this.stays.push({ room, from: at, to: Number.POSITIVE_INFINITY, leaving: this.leaves.includes(room) })
    for (const stay of this.open()) {
      if (rooms.get(stay.room)?.at === stay.from) continue
      stay.to = newest
      if (!stay.leaving) return `${id} is out of ${stay.room}, and nobody wanted that`
    }
    return undefined
  }

  leave(room: RoomName): () => void {
    this.leaves.push(room)
    for (const stay of this.open()) if (stay.room === room) stay.leaving = true
    return () => {
      const i = this.leaves.indexOf(room)
      if (i >= 0) this.leaves.splice(i, 1)
    }
  }

  /** It was told to be in the room: a leave that failed before it does not count any more. */
  joined(room: RoomName): void {
    if (this.leaves.includes(room)) return
    for (const stay of this.open()) if (stay.room === room) stay.leaving = false
  }

  rooms(): readonly { readonly room: RoomName; readonly from: Offset }[] {
    return this.open()
  }

  /** It may get this message. */
  may({ publish: { message }, published: { offset } }: Said, userId: string): boolean {
    const { except, rooms } = message
    if (except?.users.includes(userId) || except?.connections.some((id) => this.ids.has(id))) return false
    return rooms.some((room) =>
      this.stays.some((stay) => stay.room === room && stay.from < offset && offset <= stay.to),
    )
  }

  /** It must get this message, in a replay if need be, as far as it does not expire. */
  must(said: Said, userId: string, nowMs: number): boolean {
    const { histories, message } = said.publish
    const { offset } = said.published
    if (message.volatile || (message.expiresAt ?? Number.POSITIVE_INFINITY) <= nowMs || !this.may(said, userId))
      return false
    if (message.except?.connections.some((id) => this.askers.has(id))) return false
    if (message.except?.rooms.some((room) => this.stays.some((stay) => stay.room === room))) return false
    return message.rooms.some(
      (room, i) =>
        histories[i] !== undefined &&
        this.stays.some((stay) => stay.room === room && stay.from < offset && !stay.leaving),
    )
  }

  private open(): Stay[] {
    return this.stays.filter(({ to }) => to === Number.POSITIVE_INFINITY)
  }
}
