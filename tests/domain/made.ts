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

/** Any UTF-16 text: well-formed, or with lone surrogates anywhere. */
export const anyText = (maxLength: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ maxLength, unit: "grapheme" }),
    fc.string({ maxLength, unit: "binary" }),
    fc
      .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7fe, max: 0xe001 })), { maxLength })
      .map((units) => String.fromCharCode(...units)),
  )
