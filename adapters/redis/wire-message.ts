import type { Message, Spread } from "#domain/message.ts"
import type { RoomName } from "#domain/room.ts"

/** A message in Redis: a version, a header in JSON, a line feed, which JSON has none of, and the data as it was encoded. */
const VERSION = "1"

interface Header {
  readonly i: string
  readonly e: string
  readonly t: number
  readonly s?: string | undefined
  readonly r: readonly RoomName[]
  readonly x?: Message["except"]
  readonly v?: true | undefined
  readonly u?: number | undefined
  /** The steps before this one, then this one: each the places in `r` of its rooms, and its offset. */
  readonly p?: readonly { readonly r: readonly number[]; readonly o?: number }[] | undefined
}

const stepsOf = ({ rooms, spread }: Message): Header["p"] => {
  const places = (names: readonly RoomName[]): number[] => names.map((name) => rooms.indexOf(name))
  return (
    spread && [
      ...spread.before.map(({ offset, rooms: names }) => ({ r: places(names), o: offset })),
      { r: places(spread.here) },
    ]
  )
}

const spreadOf = ({ p, r }: Header): Spread | undefined => {
  if (p === undefined) return undefined
  const names = (places: readonly number[]): RoomName[] =>
    places.map((place) => r[place]).filter((name) => name !== undefined)
  return {
    before: p.slice(0, -1).map(({ o = 0, r: places }) => ({ rooms: names(places), offset: o })),
    here: names(p.at(-1)?.r ?? []),
  }
}

export const encodeMessage = (message: Message): string => {
  const header: Header = {
    i: message.id,
    e: message.event,
    t: message.ts,
    s: message.sender,
    r: message.rooms,
    x: message.except,
    v: message.volatile ? true : undefined,
    u: message.expiresAt,
    p: stepsOf(message),
  }
  return `${VERSION}${JSON.stringify(header)}\n${message.data}`
}

/** Undefined: of a version that this node does not know, or foreign. */
export const decodeMessage = (text: string): Message | undefined => {
  const end = text.indexOf("\n")
  if (!text.startsWith(VERSION) || end < 0) return undefined
  let header: Header
  try {
    header = JSON.parse(text.slice(VERSION.length, end))
  } catch {
    return undefined
  }
  return {
    id: header.i,
    event: header.e,
    data: text.slice(end + 1),
    ts: header.t,
    sender: header.s,
    rooms: header.r,
    except: header.x,
    volatile: header.v === true,
    expiresAt: header.u,
    ...(header.p !== undefined && { spread: spreadOf(header) }),
  }
}
