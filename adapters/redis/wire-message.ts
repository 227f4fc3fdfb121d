import type { Message } from "#domain/message.ts"
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
  }
  return `${VERSION}${JSON.stringify(header)}\n${message.data}`
}

/** Undefined: of a version that this node does not know, or foreign. */
export const decodeMessage = (text: string): Message | undefined => {
  const end = text.indexOf("\n")
  if (!text.startsWith(VERSION) || end < 0) return undefined
  const header: Header = JSON.parse(text.slice(VERSION.length, end))
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
  }
}
