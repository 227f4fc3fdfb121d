import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { nameFault } from "#domain/name.ts"
import { connectionRoom, EVERYBODY, isGatewayRoom, parseRoomName, roomFault, userRoom } from "#domain/room.ts"
import { anyText } from "./made.ts"

describe("a room's name from a caller", () => {
  it("is taken as it is, byte for byte", () => {
    for (const name of ["lobby", "chat:42", "房间", "a$b", "a$"]) expect(parseRoomName(name)).toBe(name)
  })

  it("does not begin with $, which is the gateway's, whatever follows", () => {
    for (const name of ["$", "$all", "$user:ann", "$connection:c1", "$$", "$новый"]) {
      expect(parseRoomName(name)).toBeUndefined()
      expect(roomFault(name)).toBe("names that begin with $ are the gateway's")
    }
  })

  it("is any name that does not begin with $, and nothing else", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText(30),
          fc.anything(),
          anyText(20).map((text) => `$${text}`),
        ),
        (value) => {
          const allowed = nameFault(value, "room") === undefined && !String(value).startsWith("$")
          expect(parseRoomName(value)).toBe(allowed ? value : undefined)
          expect(roomFault(value) === undefined).toBe(allowed)
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

describe("a room of the gateway's own", () => {
  it("cannot be named by a caller, for any user and connection", () => {
    fc.assert(
      fc.property(anyText(30), (id) => {
        for (const room of [userRoom(id), connectionRoom(id), EVERYBODY]) {
          expect(isGatewayRoom(room)).toBe(true)
          expect(parseRoomName(room)).toBeUndefined()
        }
      }),
    )
  })

  it("is nobody else's: two ids, or a user and a connection of one id, never share one", () => {
    fc.assert(
      fc.property(anyText(20), anyText(20), (one, other) => {
        const rooms = [...new Set([one, other])].flatMap((id) => [userRoom(id), connectionRoom(id)])
        expect(new Set([...rooms, EVERYBODY]).size).toBe(rooms.length + 1)
      }),
    )
  })
})
