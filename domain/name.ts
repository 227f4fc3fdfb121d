/** Names of rooms, events and users: 1-200 bytes of UTF-8, printable. */
export const MAX_NAME_BYTES = 200

const CONTROL = /\p{C}/u
const SPACE_OR_STAR = /[\s*]/u
/** In a URL's path these are steps (RFC 3986, section 5.2.4), percent-encoded too: asked for, they are another resource. */
const DOT_SEGMENT = /^\.\.?$/

/** Bytes of a string in UTF-8, without encoding it; a lone surrogate counts as the 3 bytes of U+FFFD. */
export const utf8Length = (text: string): number => {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) {
      bytes += 1
    } else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 2
      i++
    } else {
      bytes += 2
    }
  }
  return bytes
}

const nameOf = (what: string): string => `${what === "event" ? "an" : "a"} ${what}'s name`

/** Why the text cannot be a name, or undefined where it can. */
export const nameFault = (text: unknown, what: "room" | "event" | "user"): string | undefined => {
  if (typeof text !== "string") return `${nameOf(what)} is a string, found ${text === null ? "null" : typeof text}`
  if (text === "") return `${nameOf(what)} has 1-${MAX_NAME_BYTES} bytes, found an empty one`
  if (text.length > MAX_NAME_BYTES || utf8Length(text) > MAX_NAME_BYTES)
    return `${nameOf(what)} has at most ${MAX_NAME_BYTES} bytes of UTF-8, found ${utf8Length(text)}`
  if (!text.isWellFormed() || CONTROL.test(text)) return `${nameOf(what)} is printable text without control characters`
  if (what === "room" && SPACE_OR_STAR.test(text)) return "a room's name has no spaces and no *"
  if (what === "event" && text.includes("*")) return "an event's name has no *"
  if (what !== "event" && DOT_SEGMENT.test(text)) return `${nameOf(what)} is not . or .., which no URL can name`
  return undefined
}
