/** What the cursors of these lists are called inside, so that one list's is unknown to another. */
type List = "connections" | "members" | "revocations" | "rooms"

export const encodeCursor = (list: List, last: string | number): string =>
  Buffer.from(`${list} ${last}`).toString("base64url")

/** Undefined: there is none, or it is none of this list's. */
export const decodeCursor = (list: List, cursor: string | undefined): string | undefined => {
  if (cursor === undefined || cursor.length > 400) return undefined
  const text = Buffer.from(cursor, "base64url").toString()
  return text.startsWith(`${list} `) ? text.slice(list.length + 1) : undefined
}

/** The number to go on after: 0 where the cursor is unknown or ahead of everything that was ever counted. */
export const decodeNumber = (list: List, cursor: string | undefined, newest: number): number => {
  const number = Number(decodeCursor(list, cursor) ?? 0)
  return Number.isSafeInteger(number) && number > 0 && number <= newest ? number : 0
}
