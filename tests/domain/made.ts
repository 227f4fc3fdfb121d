import fc from "fast-check"
import type { Message } from "#domain/message.ts"
import type { RoomName } from "#domain/room.ts"
import { type Claims, type User, userOf } from "#domain/user.ts"

export const room = (name: string): RoomName => name as RoomName

export const messageTo = (rooms: readonly string[], more: Partial<Message> = {}): Message => ({
  id: "m",
  event: "said",
  data: "null",
  ts: 0,
  sender: undefined,
  rooms: rooms.map(room),
  except: undefined,
  volatile: false,
  expiresAt: undefined,
  ...more,
})

export const claimsOf = (userId: string, more: Partial<Claims> = {}): Claims => ({
  userId,
  expiresAt: 4_000_000_000,
  issuedAt: 1_000,
  tokenId: undefined,
  rooms: [],
  publish: [],
  info: undefined,
  ...more,
})

export const userNamed = (userId: string, more: Partial<Claims> = {}): User => userOf(claimsOf(userId, more))

const unit = (min: number, max: number): fc.Arbitrary<string> =>
  fc.integer({ min, max }).map((code) => String.fromCodePoint(code))

/** One character of any length in UTF-8, or half of one. */
const anyUnit: fc.Arbitrary<string> = fc.oneof(
  unit(0x20, 0x7e),
  unit(0x00, 0x7ff),
  unit(0x800, 0xffff),
  unit(0xd7fe, 0xe001),
  unit(0x1_0000, 0x10_ffff),
)

/** Any UTF-16 text, well-formed or not. */
export const anyText = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: anyUnit, maxLength })
