import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Connection, isOwed, MAX_REMEMBERED, roomFor } from "#domain/connection.ts"
import { Gate } from "#domain/gate.ts"
import type { Except } from "#domain/message.ts"
import type { Offset } from "#domain/offset.ts"
import { connectionRoom, EVERYBODY, type RoomName, userRoom } from "#domain/room.ts"
import type { Entry } from "#domain/session.ts"
import { messageTo, room, userNamed } from "./made.ts"

const connectionIn = (
  rooms: Iterable<readonly [RoomName, Entry]>,
  floor: readonly Offset[] = [0],
  ids: readonly string[] = ["c1"],
): Connection =>
  new Connection({
    id: ids.at(-1) ?? "c1",
    user: userNamed("ann"),
    connectedAt: 1,
    address: "192.0.2.1",
    transport: "websocket",
    session: { id: "s", owner: 1 },
    ids,
    rooms,
    floor,
  })

const at = (offset: Offset): Entry => ({ at: offset, by: "rule" })
const NAMES = ["a", "b", "c", "d"].map(room)
const nobody: Except = { rooms: [], users: [], connections: [] }

/** The publications of one message, one for each of its rooms. */
const publications = (names: readonly RoomName[], offsetOf: (name: RoomName) => Offset, more = {}) => {
  const message = messageTo(names, more)
  return names.map((name) => ({ room: name, partition: 0, offset: offsetOf(name), message }))
}

const subset = fc.subarray(NAMES)
const someRooms = fc.subarray(NAMES, { minLength: 1 }).chain((all) => fc.shuffledSubarray(all, { minLength: 1 }))

describe("a message to several rooms", () => {
  it("reaches a connection once over all of them where it is owed through one, and else never", () => {
    const entries = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.nat({ max: 20 })), { maxLength: 4 })
    fc.assert(
      fc.property(
        entries,
        someRooms,
        subset,
        fc.integer({ min: 1, max: 20 }),
        fc.nat({ max: 25 }),
        fc.boolean(),
        (joined, rooms, logged, offset, floor, volatile) => {
          const connection = connectionIn(
            joined.map(([name, since]) => [name, at(since)] as const),
            [floor],
          )
          const isLogged = (name: RoomName): boolean => logged.includes(name)
          const through = publications(rooms, () => offset, { volatile }).filter((publication) =>
            isOwed(connection, publication, !volatile && isLogged(publication.room), isLogged),
          )
          const owing = rooms.filter((name) => (connection.rooms.get(name)?.at ?? offset) < offset)
          const best = volatile ? owing[0] : (owing.find(isLogged) ?? owing[0])
          const sentBefore = best !== undefined && !volatile && isLogged(best) && offset <= floor
          expect(through.map((publication) => publication.room)).toEqual(best === undefined || sentBefore ? [] : [best])
        },
      ),
      { numRuns: 3_000 },
    )
  })

  /** Its steps, one in each partition, as they are published: in the order of the partitions' first rooms. */
  const stepsOf = (rooms: readonly RoomName[], offsets: readonly Offset[], more = {}) => {
    const partitionOf = (name: RoomName): number => NAMES.indexOf(name) % 3
    const before: { rooms: readonly RoomName[]; offset: Offset }[] = []
    return [...new Set(rooms.map(partitionOf))].flatMap((partition) => {
      const here = rooms.filter((name) => partitionOf(name) === partition)
      const offset = offsets[partition] ?? 0
      const message = messageTo(rooms, { ...more, spread: { before: [...before], here } })
      before.push({ rooms: here, offset })
      return here.map((name) => ({ room: name, partition, offset, message }))
    })
  }
  const anyOffsets = fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 10, max: 20 })))

  it("is sent once where it is owed through a logged room, whatever the clocks of its partitions say", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.nat({ max: 30 })), { maxLength: 4 }),
        someRooms,
        anyOffsets,
        (joined, rooms, offsets) => {
          const connection = connectionIn(
            joined.map(([name, since]) => [name, at(since)] as const),
            [0, 0, 0],
          )
          const steps = stepsOf(rooms, offsets)
          const owing = steps.filter(({ offset, room: name }) => (connection.rooms.get(name)?.at ?? offset) < offset)
          const sent = steps.filter((step) => isOwed(connection, step, true, () => true))
          expect(sent).toEqual(owing.slice(0, 1))
        },
      ),
      { numRuns: 3_000 },
    )
  })

  it("is sent through a logged room of whatever step rather than an unlogged one, and through one unlogged at most", () => {
    fc.assert(
      fc.property(subset, subset, someRooms, anyOffsets, (joined, logged, rooms, offsets) => {
        const connection = connectionIn(
          joined.map((name) => [name, at(5)] as const),
          [0, 0, 0],
        )
        const isLogged = (name: RoomName): boolean => logged.includes(name)
        const steps = stepsOf(rooms, offsets)
        const sent = steps.filter((step) => isOwed(connection, step, isLogged(step.room), isLogged))
        const owing = steps.filter((step) => joined.includes(step.room))
        const best = owing.find((step) => isLogged(step.room)) ?? owing[0]
        expect(sent.map((step) => step.room)).toEqual(best === undefined ? [] : [best.room])
      }),
      { numRuns: 3_000 },
    )
  })

  it("is not sent again where the connection left the room of an earlier step after it was sent that", () => {
    const connection = connectionIn(
      [
        [room("a"), at(0)],
        [room("b"), at(0)],
      ],
      [0, 0, 0],
    )
    const [first, second] = stepsOf([room("a"), room("b")], [10, 10, 10])
    if (first === undefined || second === undefined) throw new Error("two steps")
    expect(isOwed(connection, first, true, () => true)).toBe(true)
    connection.remember(first.message)
    connection.rooms.delete(room("a"))
    expect(isOwed(connection, second, true, () => true)).toBe(false)
    expect(isOwed(connectionIn([[room("b"), at(0)]], [0, 0, 0]), second, true, () => true)).toBe(true)
  })

  it("is remembered with the last thousand of its kind, and no other message is", () => {
    const connection = connectionIn([])
    connection.remember(messageTo([room("a")], { id: "plain" }))
    expect(connection.hasHad("plain")).toBe(false)
    const spread = { before: [], here: [room("a")] }
    for (let i = 0; i <= MAX_REMEMBERED; i++) connection.remember(messageTo([room("a")], { id: `m${i}`, spread }))
    expect([0, 1, MAX_REMEMBERED].map((i) => connection.hasHad(`m${i}`))).toEqual([false, true, true])
  })

  it("comes through the first logged room that the connection is in, else through the first", () => {
    const connection = connectionIn(NAMES.map((name) => [name, at(0)] as const))
    const message = messageTo(["a", "b", "c"])
    expect(roomFor(connection, message, 1, (name) => name !== "a")).toBe("b")
    expect(roomFor(connection, message, 1, () => false)).toBe("a")
    expect(roomFor(connection, { ...message, volatile: true }, 1, (name) => name === "c")).toBe("a")
    expect(roomFor(connectionIn([]), message, 1, () => true)).toBeUndefined()
  })

  it("is not owed through a room that was joined after it, and still through one joined before", () => {
    const connection = connectionIn([
      [room("a"), at(10)],
      [room("b"), at(3)],
    ])
    const message = messageTo(["a", "b"])
    expect(roomFor(connection, message, 10, () => true)).toBe("b")
    expect(roomFor(connection, message, 11, () => true)).toBe("a")
    expect(roomFor(connection, message, 3, () => true)).toBeUndefined()
  })
})

describe("a message to one room", () => {
  const owed = (connection: Connection, offset: Offset, logged = true, except?: Except): boolean =>
    isOwed(
      connection,
      { room: room("a"), partition: 0, offset, message: messageTo(["a"], { except }) },
      logged,
      () => logged,
    )

  it("is owed to a member who joined before it and was not sent it", () => {
    const joined = [[room("a"), at(5)]] as const
    expect([4, 5, 6].map((offset) => owed(connectionIn(joined), offset))).toEqual([false, false, true])
    expect([6, 7, 8].map((offset) => owed(connectionIn(joined, [7]), offset))).toEqual([false, false, true])
    expect(owed(connectionIn([[room("b"), at(0)]]), 6)).toBe(false)
  })

  it("is sent whatever the floor where it is not logged: it is never replayed", () => {
    expect(owed(connectionIn([[room("a"), at(0)]], [100]), 50, false)).toBe(true)
  })

  it("is not for those that it excepts: by user, by a room, by any id that the session had", () => {
    const connection = connectionIn(
      [
        [room("a"), at(0)],
        [room("b"), at(0)],
      ],
      [0],
      ["before", "now"],
    )
    const excepted = (except: Partial<Except>): boolean => !owed(connection, 1, true, { ...nobody, ...except })
    expect(excepted({})).toBe(false)
    expect(excepted({ users: ["ben", "ann"] })).toBe(true)
    expect(excepted({ users: ["ben"] })).toBe(false)
    expect(excepted({ rooms: [room("b")] })).toBe(true)
    expect(excepted({ rooms: [room("c")] })).toBe(false)
    expect(excepted({ connections: ["before"] })).toBe(true)
    expect(excepted({ connections: ["now"] })).toBe(true)
    expect(excepted({ connections: ["another"] })).toBe(false)
  })
})

describe("a connection", () => {
  it("names the application's rooms that it is in, in the order joined, and no others", () => {
    const rooms = [userRoom("ann"), room("z"), EVERYBODY, room("a"), connectionRoom("c1")]
    expect(connectionIn(rooms.map((name) => [name, at(0)] as const)).applicationRooms).toEqual(["z", "a"])
  })

  it("keeps its own rooms and floor, whatever becomes of those that it was made from", () => {
    const rooms = new Map([[room("a"), at(0)]])
    const floor = [1]
    const connection = connectionIn(rooms, floor)
    rooms.clear()
    floor[0] = 9
    expect([connection.rooms.has(room("a")), connection.floor]).toEqual([true, [1]])
  })

  it("was sent everything that the node worked off, unless it waits behind its gate", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 5 }), (pairs) => {
        const floor = pairs.map(([sent]) => sent)
        const workedOff = pairs.map(([, done]) => done)
        const connection = connectionIn([], floor)
        const newest = pairs.map(([sent, done]) => Math.max(sent, done))
        expect(connection.sentUpTo(workedOff)).toEqual(newest)
        connection.closeGate(() => new Gate(1, 1), workedOff)
        expect(connection.floor).toEqual(newest)
        expect(connection.sentUpTo(workedOff.map((done) => done + 5))).toEqual(newest)
      }),
    )
  })

  it("closes its gate once: what was held stays held, and the floor stays where it was", () => {
    const connection = connectionIn([], [5])
    const gate = connection.closeGate(() => new Gate(10, 10_000), [7])
    const again = connection.closeGate(() => {
      throw new Error("a second gate was made")
    }, [20])
    expect(again).toBe(gate)
    expect(connection.floor).toEqual([7])
  })

  it("gives its floor away as a copy", () => {
    const connection = connectionIn([], [5])
    connection.closeGate(() => new Gate(10, 10_000), [7])
    connection.sentUpTo([7])[0] = 99
    expect(connection.floor).toEqual([7])
  })
})
