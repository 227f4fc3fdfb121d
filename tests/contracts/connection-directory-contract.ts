import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import {
  ConnectionDirectory,
  type ConnectionEntry,
  type Page,
  type PageRequest,
} from "#application/ports/connection-directory.ts"
import { connectionRoom, EVERYBODY, type RoomName, userRoom } from "#domain/room.ts"

type Directory = ConnectionDirectory["Service"]

const room = (name: string): RoomName => name as RoomName
const GRACE_MS = 60_000
const FIRST: PageRequest = { limit: 100, cursor: undefined }

type Overrides = Partial<Omit<ConnectionEntry, "rooms">> & { readonly rooms?: readonly string[] }

export const entry = (connectionId: string, { rooms = [], ...overrides }: Overrides = {}): ConnectionEntry => ({
  connectionId,
  userId: "ana",
  node: "test-node",
  transport: "websocket",
  address: "192.0.2.1",
  rooms: rooms.map(room),
  connectedAt: 1_700_000_000_000,
  ...overrides,
})

/** Every page of a list, one after the other. */
export const pages = <A, E>(limit: number, list: (page: PageRequest) => Effect.Effect<Page<A>, E>) =>
  Effect.gen(function* () {
    const all: (readonly A[])[] = []
    let cursor: string | undefined
    do {
      const page: Page<A> = yield* list({ limit, cursor })
      all.push(page.items)
      cursor = page.nextCursor
    } while (cursor !== undefined && all.length < 1_000)
    return all
  })

const ids = (entries: readonly { readonly connectionId: string }[]): string[] => entries.map((e) => e.connectionId)

/** What every ConnectionDirectory does. The layer begins empty each time that it is built. */
export const connectionDirectoryContract = (name: string, layer: Layer.Layer<ConnectionDirectory>): void => {
  const test = <E>(behaviour: string, body: (directory: Directory) => Effect.Effect<void, E>): void =>
    it.live(behaviour, () => Effect.flatMap(ConnectionDirectory, body).pipe(Effect.provide(layer)))

  describe(`${name}: looking a connection up`, () => {
    test("finds a registered connection by its id and by its user, as it was given", (directory) =>
      Effect.gen(function* () {
        const given = entry("c1", { info: { name: "Ana", tags: [1, null] }, rooms: ["a"] })
        yield* directory.register(given)
        expect(yield* directory.connection("c1")).toEqual(given)
        expect(yield* directory.connectionsOf("ana")).toEqual([given])
        expect(yield* directory.connections({}, FIRST)).toEqual({ items: [given], nextCursor: undefined })
        expect(yield* directory.countOf("ana")).toBe(1)
      }))

    test("keeps an info of null apart from none", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { info: null, rooms: ["a"] }))
        yield* directory.register(entry("c2", { rooms: ["a"] }))
        expect((yield* directory.members(room("a"), FIRST)).items).toStrictEqual([
          { userId: "ana", connectionId: "c1", info: null },
          { userId: "ana", connectionId: "c2" },
        ])
        expect(yield* directory.connection("c2")).not.toHaveProperty("info")
      }))

    test("knows nothing of who was never there", (directory) =>
      Effect.gen(function* () {
        expect(yield* directory.connection("c1")).toBeUndefined()
        expect(yield* directory.connectionsOf("ana")).toEqual([])
        expect(yield* directory.countOf("ana")).toBe(0)
        expect(yield* directory.memberCount(room("a"))).toBe(0)
        expect(yield* directory.connections({}, FIRST)).toEqual({ items: [], nextCursor: undefined })
        expect(yield* directory.rooms({}, FIRST)).toEqual({ items: [], nextCursor: undefined })
        expect(yield* directory.members(room("a"), FIRST)).toEqual({ items: [], nextCursor: undefined })
      }))

    test("counts a user's connections apart from other users'", (directory) =>
      Effect.gen(function* () {
        for (const id of ["c1", "c2", "c3"]) yield* directory.register(entry(id))
        yield* directory.register(entry("d1", { userId: "ben" }))
        expect(yield* directory.countOf("ana")).toBe(3)
        expect(ids(yield* directory.connectionsOf("ana")).sort()).toEqual(["c1", "c2", "c3"])
        yield* directory.remove("c2")
        expect(yield* directory.countOf("ana")).toBe(2)
        expect(ids(yield* directory.connectionsOf("ana")).sort()).toEqual(["c1", "c3"])
        expect(yield* directory.countOf("ben")).toBe(1)
      }))

    test("counts a user's connections as each of them is registered: of many at once exactly so many find room", (directory) =>
      Effect.gen(function* () {
        const registered = yield* Effect.forEach(["c1", "c2", "c3"], (id) => directory.register(entry(id)), {
          concurrency: "unbounded",
        })
        expect(registered.map(({ count }) => count).sort()).toEqual([1, 2, 3])
        expect((yield* directory.register(entry("c4"), ["c1"])).count).toBe(3)
      }))

    test("is not misled by names that mean something to JavaScript or to itself", (directory) =>
      Effect.gen(function* () {
        const names = ["__proto__", "constructor", "a:b", "$user:ana", "ü☃", "-1", "a}b{c"]
        for (const [i, userId] of names.entries()) yield* directory.register(entry(`c${i}`, { userId }))
        for (const [i, userId] of names.entries()) {
          expect(ids(yield* directory.connectionsOf(userId))).toEqual([`c${i}`])
          expect(yield* directory.locate([userRoom(userId)], 10)).toEqual([
            { connectionId: `c${i}`, node: "test-node" },
          ])
        }
        yield* directory.join("c0", room("__proto__"))
        expect(yield* directory.memberCount(room("__proto__"))).toBe(1)
        expect(yield* directory.memberCount(room("constructor"))).toBe(0)
      }))

    test("gives the ids of what was registered here and is online, page by page", (directory) =>
      Effect.gen(function* () {
        const all = Array.from({ length: 300 }, (_, i) => `c${i}`)
        for (const id of all) yield* directory.register(entry(id, { rooms: ["a"] }))
        yield* directory.depart("c0", GRACE_MS)
        yield* directory.remove("c1")
        yield* directory.register(entry("c2b"), ["c2"])
        const found = (yield* pages(50, directory.registeredHere)).flat()
        expect(new Set(found)).toEqual(new Set([...all.slice(3), "c2b"]))
      }))

    test("shows the transport that a connection changed to", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { transport: "polling" }))
        yield* directory.changeTransport("c1", "websocket")
        expect((yield* directory.connection("c1"))?.transport).toBe("websocket")
      }))

    test("replaces what was known of a connection that is registered again", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a", "b"] }))
        yield* directory.depart("c1", GRACE_MS)
        yield* directory.register(entry("c1", { userId: "ben", rooms: ["b", "c"] }))
        expect(yield* directory.connection("c1")).toEqual(entry("c1", { userId: "ben", rooms: ["b", "c"] }))
        expect(yield* directory.countOf("ana")).toBe(0)
        expect(yield* directory.countOf("ben")).toBe(1)
        expect((yield* directory.connections({}, FIRST)).items).toHaveLength(1)
        expect((yield* directory.rooms({}, FIRST)).items).toEqual([
          { room: "b", memberCount: 1 },
          { room: "c", memberCount: 1 },
        ])
      }))
  })

  describe(`${name}: rooms and members`, () => {
    test("lists a connection's rooms in the order joined, each once", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["z"] }))
        for (const name of ["b", "a", "b", "c"]) yield* directory.join("c1", room(name))
        expect((yield* directory.connection("c1"))?.rooms).toEqual(["z", "b", "a", "c"])
        expect(yield* directory.leave("c1", room("a"))).toBe(true)
        expect(yield* directory.leave("c1", room("a"))).toBe(false)
        expect((yield* directory.connection("c1"))?.rooms).toEqual(["z", "b", "c"])
        expect(yield* directory.memberCount(room("b"))).toBe(1)
        expect(yield* directory.memberCount(room("a"))).toBe(0)
      }))

    test("does not change an answer that was given", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a"] }))
        const before = yield* directory.connection("c1")
        yield* directory.join("c1", room("b"))
        expect(before?.rooms).toEqual(["a"])
      }))

    test("lists members in the order of joining", (directory) =>
      Effect.gen(function* () {
        for (const id of ["c1", "c2", "c3"]) yield* directory.register(entry(id, { userId: `user-${id}` }))
        for (const id of ["c3", "c1", "c2"]) yield* directory.join(id, room("a"))
        expect(ids((yield* directory.members(room("a"), FIRST)).items)).toEqual(["c3", "c1", "c2"])
        yield* directory.leave("c3", room("a"))
        yield* directory.join("c3", room("a"))
        expect((yield* directory.members(room("a"), FIRST)).items).toEqual([
          { userId: "user-c1", connectionId: "c1" },
          { userId: "user-c2", connectionId: "c2" },
          { userId: "user-c3", connectionId: "c3" },
        ])
      }))

    test("lists rooms that have members, with how many, by the beginning of their names", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["chat:1", "chat:2", "news"] }))
        yield* directory.register(entry("c2", { rooms: ["chat:2"] }))
        expect((yield* directory.rooms({}, FIRST)).items).toEqual([
          { room: "chat:1", memberCount: 1 },
          { room: "chat:2", memberCount: 2 },
          { room: "news", memberCount: 1 },
        ])
        expect((yield* directory.rooms({ prefix: "chat:" }, FIRST)).items).toHaveLength(2)
        expect((yield* directory.rooms({ prefix: "hat" }, FIRST)).items).toEqual([])
        yield* directory.leave("c1", room("chat:1"))
        yield* directory.remove("c2")
        expect((yield* directory.rooms({}, FIRST)).items).toEqual([
          { room: "chat:2", memberCount: 1 },
          { room: "news", memberCount: 1 },
        ])
      }))

    test("never lists the gateway's own rooms", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1"))
        for (const own of [userRoom("ana"), connectionRoom("c1"), EVERYBODY]) yield* directory.join("c1", own)
        expect((yield* directory.rooms({}, FIRST)).items).toEqual([])
        expect((yield* directory.rooms({ prefix: "$" }, FIRST)).items).toEqual([])
        expect((yield* directory.connection("c1"))?.rooms).toEqual([])
      }))
  })

  describe(`${name}: going away`, () => {
    test("shows a departing connection to its rooms only", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a"] }))
        yield* directory.register(entry("c2", { rooms: ["a"] }))
        yield* directory.depart("c1", GRACE_MS)
        expect(yield* directory.connection("c1")).toBeUndefined()
        expect(ids(yield* directory.connectionsOf("ana"))).toEqual(["c2"])
        expect(yield* directory.countOf("ana")).toBe(1)
        for (const filter of [{}, { userId: "ana" }, { room: "a" }])
          expect(ids((yield* directory.connections(filter, FIRST)).items)).toEqual(["c2"])
        for (const where of [room("a"), userRoom("ana"), EVERYBODY])
          expect(ids(yield* directory.locate([where], 10))).toEqual(["c2"])
        expect(yield* directory.locate([connectionRoom("c1")], 10)).toEqual([])
        expect(yield* directory.memberCount(room("a"))).toBe(2)
        expect(ids((yield* directory.members(room("a"), FIRST)).items)).toEqual(["c1", "c2"])
        expect((yield* directory.rooms({}, FIRST)).items).toEqual([{ room: "a", memberCount: 2 }])
      }))

    test("locates who is there behind a thousand who depart, and one more than asked for at most", (directory) =>
      Effect.gen(function* () {
        const register = (id: string) => directory.register(entry(id, { rooms: ["a"] }))
        for (let i = 0; i < 1_000; i++) {
          yield* register(`gone${i}`)
          yield* directory.depart(`gone${i}`, 60_000)
        }
        for (const id of ["c1", "c2", "c3", "c4"]) yield* register(id)
        expect(ids(yield* directory.locate([room("a")], 10))).toEqual(["c1", "c2", "c3", "c4"])
        expect(ids(yield* directory.locate([room("a"), EVERYBODY], 2))).toEqual(["c1", "c2", "c3"])
      }))

    test("lets a departing connection leave a room and join none", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a", "b"] }))
        expect(yield* directory.join("c1", room("d"))).toBe(true)
        yield* directory.leave("c1", room("d"))
        yield* directory.depart("c1", GRACE_MS)
        yield* directory.depart("c1", GRACE_MS)
        expect(yield* directory.join("c1", room("c"))).toBe(false)
        yield* directory.leave("c1", room("a"))
        expect((yield* directory.rooms({}, FIRST)).items).toEqual([{ room: "b", memberCount: 1 }])
      }))

    /** Whoever has left, once somebody has. */
    const left = (directory: Directory, limit = 10) =>
      Effect.repeat(directory.takeDeparted(limit), {
        until: (entries) => entries.length > 0,
        schedule: Schedule.spaced("5 millis"),
      })

    test("gives who departed once its grace is over, to one caller, as it was", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a"], info: { name: "Ana" } }))
        yield* directory.join("c1", room("b"))
        yield* directory.depart("c1", 50)
        expect(yield* directory.takeDeparted(10)).toEqual([])
        expect(yield* directory.memberCount(room("a"))).toBe(1)
        const taken: ConnectionEntry[] = []
        const taking = Effect.gen(function* () {
          while (taken.length === 0) {
            taken.push(...(yield* directory.takeDeparted(10)))
            yield* Effect.sleep("5 millis")
          }
        })
        yield* Effect.all([taking, taking], { concurrency: 2 })
        expect(taken).toEqual([entry("c1", { rooms: ["a", "b"], info: { name: "Ana" } })])
        expect(yield* directory.memberCount(room("a"))).toBe(0)
        expect(yield* directory.takeDeparted(10)).toEqual([])
      }))

    test("gives at most as many as are asked for, those that are due longest first", (directory) =>
      Effect.gen(function* () {
        for (const id of ["c1", "c2", "c3"]) {
          yield* directory.register(entry(id, { rooms: ["a"] }))
          yield* directory.depart(id, 0)
        }
        expect(ids(yield* left(directory, 2))).toEqual(["c1", "c2"])
        expect(ids(yield* left(directory, 2))).toEqual(["c3"])
      }))

    test("gives nobody who came back meanwhile, be it as the same or as another connection", (directory) =>
      Effect.gen(function* () {
        for (const id of ["c1", "c2", "c3"]) yield* directory.register(entry(id, { rooms: ["a"] }))
        for (const id of ["c1", "c2", "c3"]) yield* directory.depart(id, id === "c3" ? 10 : 0)
        expect((yield* directory.register(entry("c1", { rooms: ["a"] }))).formerRooms).toEqual(["a"])
        expect((yield* directory.register(entry("c4", { rooms: ["a"] }), ["c0", "c2"])).formerRooms).toEqual(["a"])
        expect(ids(yield* left(directory))).toEqual(["c3"])
        expect(ids((yield* directory.members(room("a"), FIRST)).items)).toEqual(["c1", "c4"])
      }))

    test("forgets at once who departs from no room", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1"))
        yield* directory.register(entry("c2", { rooms: ["a"] }))
        yield* directory.depart("c1", 0)
        yield* directory.depart("c2", 0)
        expect(ids(yield* left(directory))).toEqual(["c2"])
        expect((yield* directory.register(entry("c3"), ["c1"])).formerRooms).toEqual([])
      }))

    test("says which rooms the connections were in still that another takes the place of", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c0", { rooms: ["b"] }))
        yield* directory.register(entry("c1", { rooms: ["b", "c"] }))
        yield* directory.depart("c0", GRACE_MS)
        const second = yield* directory.register(entry("c2", { rooms: ["a"] }), ["c0", "c1"])
        expect([...second.formerRooms].sort()).toEqual(["b", "c"])
        expect((yield* directory.register(entry("c3", { rooms: ["a"] }), ["c0", "c1"])).formerRooms).toEqual([])
        expect(yield* directory.connection("c1")).toBeUndefined()
        expect(yield* directory.countOf("ana")).toBe(2)
        expect(ids((yield* directory.members(room("a"), FIRST)).items)).toEqual(["c2", "c3"])
      }))

    test("answers what it removes, departed or not, and nothing the second time", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a", "b"] }))
        yield* directory.register(entry("c2", { rooms: ["a"] }))
        yield* directory.depart("c2", GRACE_MS)
        expect(yield* directory.remove("c1")).toEqual(entry("c1", { rooms: ["a", "b"] }))
        expect(yield* directory.remove("c2")).toEqual(entry("c2", { rooms: ["a"] }))
        expect(yield* directory.remove("c1")).toBeUndefined()
      }))

    test("forgets a removed connection everywhere, whether it departed first or not", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a"] }))
        yield* directory.register(entry("c2", { rooms: ["a"] }))
        yield* directory.depart("c1", GRACE_MS)
        yield* directory.remove("c1")
        yield* directory.remove("c2")
        expect(yield* directory.countOf("ana")).toBe(0)
        expect(yield* directory.memberCount(room("a"))).toBe(0)
        expect((yield* directory.connections({}, FIRST)).items).toEqual([])
        expect((yield* directory.rooms({}, FIRST)).items).toEqual([])
        expect(yield* directory.locate([EVERYBODY, userRoom("ana"), room("a")], 10)).toEqual([])
      }))

    test("does nothing for a connection that is gone: late work leaves no trace", (directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a"] }))
        yield* directory.remove("c1")
        yield* directory.remove("c1")
        expect(yield* directory.join("c1", room("a"))).toBe(false)
        yield* directory.leave("c1", room("a"))
        yield* directory.depart("c1", GRACE_MS)
        yield* directory.changeTransport("c1", "polling")
        expect(yield* directory.connection("c1")).toBeUndefined()
        expect(yield* directory.countOf("ana")).toBe(0)
        expect(yield* directory.memberCount(room("a"))).toBe(0)
        expect((yield* directory.rooms({}, FIRST)).items).toEqual([])
      }))
  })

  describe(`${name}: pages`, () => {
    const crowd = (directory: Directory) =>
      Effect.gen(function* () {
        for (let i = 0; i < 25; i++) {
          yield* directory.register(entry(`c${i}`, { userId: i % 2 === 0 ? "ana" : "ben" }))
          yield* directory.join(`c${i}`, room(`r:${i}`))
          if (i % 5 === 0) yield* directory.join(`c${i}`, room("five"))
          yield* directory.join(`c${i}`, room("all"))
        }
      })
    const expected = (step: number): string[] => Array.from({ length: Math.ceil(25 / step) }, (_, i) => `c${i * step}`)

    test("give each connection once, in an order that stays, for every filter", (directory) =>
      Effect.gen(function* () {
        yield* crowd(directory)
        for (const [filter, found] of [
          [{}, expected(1)],
          [{ userId: "ana" }, expected(2)],
          [{ room: "five" }, expected(5)],
          [{ userId: "ana", room: "five" }, expected(10)],
          [{ userId: "nobody" }, []],
          [{ room: "nowhere" }, []],
        ] as const) {
          const whole = ids((yield* directory.connections(filter, FIRST)).items)
          expect([...whole].sort()).toEqual([...found].sort())
          for (const limit of [1, 4, 25, 26]) {
            const paged = yield* pages(limit, (page) => directory.connections(filter, page))
            expect(ids(paged.flat())).toEqual(whole)
            expect(paged).toHaveLength(Math.max(1, Math.ceil(whole.length / limit)))
          }
        }
      }))

    test("give each member once, in the order of joining", (directory) =>
      Effect.gen(function* () {
        yield* crowd(directory)
        for (const limit of [1, 7, 25]) {
          const paged = yield* pages(limit, (page) => directory.members(room("all"), page))
          expect(ids(paged.flat())).toEqual(expected(1))
          expect(paged).toHaveLength(Math.ceil(25 / limit))
        }
      }))

    test("give each room once, in an order that stays", (directory) =>
      Effect.gen(function* () {
        yield* crowd(directory)
        const whole = (yield* directory.rooms({}, FIRST)).items
        expect(whole).toHaveLength(27)
        for (const limit of [1, 2, 9, 27]) {
          const paged = yield* pages(limit, (page) => directory.rooms({}, page))
          expect(paged.flat()).toEqual(whole)
          expect(paged).toHaveLength(Math.ceil(27 / limit))
        }
        const some = (yield* pages(3, (page) => directory.rooms({ prefix: "r:1" }, page))).flat()
        expect(some).toHaveLength(11)
      }))

    test("begin at the beginning where the cursor is unknown or another list's", (directory) =>
      Effect.gen(function* () {
        yield* crowd(directory)
        const connections = yield* directory.connections({}, { limit: 3, cursor: undefined })
        const members = yield* directory.members(room("all"), { limit: 3, cursor: undefined })
        const rooms = yield* directory.rooms({}, { limit: 3, cursor: undefined })
        for (const cursor of ["", "?", "não", "x".repeat(10_000)]) {
          expect(yield* directory.connections({}, { limit: 3, cursor })).toEqual(connections)
          expect(yield* directory.members(room("all"), { limit: 3, cursor })).toEqual(members)
          expect(yield* directory.rooms({}, { limit: 3, cursor })).toEqual(rooms)
        }
        expect(yield* directory.connections({}, { limit: 3, cursor: rooms.nextCursor })).toEqual(connections)
        expect(yield* directory.rooms({}, { limit: 3, cursor: connections.nextCursor })).toEqual(rooms)
      }))
  })

  describe(`${name}: locating the receivers of a message`, () => {
    const crowd = (directory: Directory) =>
      Effect.gen(function* () {
        yield* directory.register(entry("c1", { rooms: ["a", "b"] }))
        yield* directory.register(entry("c2", { rooms: ["a"], node: "other-node" }))
        yield* directory.register(entry("d1", { userId: "ben", rooms: ["b"] }))
        yield* directory.register(entry("d2", { userId: "ben" }))
      })

    test("finds who is in a room, is a user, is a connection or is anybody", (directory) =>
      Effect.gen(function* () {
        yield* crowd(directory)
        const found = (...rooms: RoomName[]) => Effect.map(directory.locate(rooms, 10), (all) => ids(all).sort())
        expect(yield* found(room("a"))).toEqual(["c1", "c2"])
        expect(yield* found(userRoom("ben"))).toEqual(["d1", "d2"])
        expect(yield* found(connectionRoom("d2"))).toEqual(["d2"])
        expect(yield* found(EVERYBODY)).toEqual(["c1", "c2", "d1", "d2"])
        expect(yield* found(room("nowhere"), userRoom("nobody"), connectionRoom("none"))).toEqual([])
        expect(yield* found()).toEqual([])
      }))

    test("says which node holds it", (directory) =>
      Effect.gen(function* () {
        yield* crowd(directory)
        expect(yield* directory.locate([connectionRoom("c2")], 10)).toEqual([
          { connectionId: "c2", node: "other-node" },
        ])
      }))

    test("finds each connection once, however many of the rooms it is in", (directory) =>
      Effect.gen(function* () {
        yield* crowd(directory)
        const all = yield* directory.locate(
          [room("a"), room("b"), userRoom("ana"), connectionRoom("c1"), EVERYBODY],
          10,
        )
        expect(ids(all).sort()).toEqual(["c1", "c2", "d1", "d2"])
      }))

    test("stops at one more than the limit, so that the caller sees that there are too many", (directory) =>
      Effect.gen(function* () {
        yield* crowd(directory)
        expect(yield* directory.locate([EVERYBODY], 2)).toHaveLength(3)
        expect(yield* directory.locate([room("a"), room("b")], 1)).toHaveLength(2)
        expect(yield* directory.locate([EVERYBODY], 4)).toHaveLength(4)
      }))
  })
}
