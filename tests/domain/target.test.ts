import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Fault } from "#domain/errors.ts"
import { connectionRoom, EVERYBODY, userRoom } from "#domain/room.ts"
import { parseTarget, type Target, type TargetInput } from "#domain/target.ts"

const parsed = (input: TargetInput, limit = 0): Target => {
  const target = parseTarget(input, limit)
  if (!("rooms" in target)) throw new Error(JSON.stringify(target))
  return target
}

const faultsOf = (input: TargetInput, limit = 0): readonly Fault[] => {
  const target = parseTarget(input, limit)
  if ("rooms" in target) throw new Error(`no fault: ${JSON.stringify(target)}`)
  return target
}

const names = fc.array(fc.constantFrom("a", "b", "c", "chat:1", "é"), { maxLength: 6 })

describe("a target", () => {
  it("is the union of what it names, each once, in the order given: rooms, users, connections, everybody", () => {
    fc.assert(
      fc.property(
        names,
        names,
        fc.array(fc.constantFrom("c1", "c_2", "C-3"), { maxLength: 4 }),
        fc.boolean(),
        (rooms, users, connections, all) => {
          fc.pre(rooms.length + users.length + connections.length > 0 || all)
          const expected = [
            ...new Set([
              ...rooms,
              ...users.map(userRoom),
              ...connections.map(connectionRoom),
              ...(all ? [EVERYBODY] : []),
            ]),
          ]
          expect(parsed({ rooms, users, connections, all })).toEqual({ rooms: expected, except: undefined })
        },
      ),
    )
  })

  it("keeps a user apart from a room of the same name", () => {
    expect(parsed({ rooms: ["ann"], users: ["ann"] }).rooms).toEqual(["ann", userRoom("ann")])
  })

  it("names somebody: nothing, empty lists, all: false and an except alone are refused", () => {
    for (const input of [{}, { rooms: [] }, { all: false }, { rooms: [], users: [], except: { users: ["ann"] } }])
      expect(faultsOf(input)).toEqual([
        { pointer: "/to", detail: "names nobody: give rooms, users, connections or all" },
      ])
  })

  it("says of every bad name where it stands, all at once", () => {
    const faults = faultsOf({
      rooms: ["ok", "not ok", "$all"],
      users: [""],
      connections: ["c1", "c 1", "x".repeat(65)],
      except: { rooms: ["$user:ann"], users: ["\n"], connections: [""] },
    })
    expect(faults.map(({ pointer }) => pointer)).toEqual([
      "/to/rooms/1",
      "/to/rooms/2",
      "/to/users/0",
      "/to/connections/1",
      "/to/connections/2",
      "/to/except/rooms/0",
      "/to/except/users/0",
      "/to/except/connections/0",
    ])
    expect(faults.every(({ detail }) => detail.length > 0)).toBe(true)
  })

  it("names at most as many as allowed, those that it leaves out included, each once; 0 allows any number", () => {
    const twice = { rooms: ["a", "b", "a"], users: ["ann"], all: true }
    expect(parsed(twice, 4).rooms).toHaveLength(4)
    expect(faultsOf(twice, 3)).toEqual([{ pointer: "/to", detail: "names at most 3 targets, found 4" }])
    const less = { ...twice, except: { rooms: ["c"], users: ["ben"], connections: ["c1"] } }
    expect(parsed(less, 7).except).toEqual({ rooms: ["c"], users: ["ben"], connections: ["c1"] })
    expect(faultsOf(less, 6)[0]?.detail).toBe("names at most 6 targets, found 7")
    expect(parsed({ users: Array.from({ length: 500 }, (_, i) => `u${i}`) }, 0).rooms).toHaveLength(500)
  })

  it("fills what an except leaves out with nothing", () => {
    expect(parsed({ all: true, except: {} }).except).toEqual({ rooms: [], users: [], connections: [] })
    expect(parsed({ all: true }).except).toBeUndefined()
  })
})
