import { describe, expect, it } from "vitest"
import { connectAnswer } from "#application/connect-answer.ts"

const NOTHING = { rooms: [], info: undefined, faults: [] }

describe("the backend's answer to a connect", () => {
  it("adds nothing where it has nothing to add", () => {
    for (const answer of [null, undefined, "yes", 7, true, [], {}, { other: 1 }])
      expect(connectAnswer(answer)).toEqual(NOTHING)
  })

  it("adds the rooms that can be used, in its order, and names each that cannot", () => {
    const { faults, rooms } = connectAnswer({ rooms: ["b", "$all", 7, "no spaces", "a"] })
    expect(rooms).toEqual(["b", "a"])
    expect(faults.map(({ pointer }) => pointer)).toEqual(["/rooms/1", "/rooms/2", "/rooms/3"])
  })

  it("that gives no array of rooms adds none, and says so", () => {
    for (const rooms of ["a", { 0: "a" }, 7, null])
      expect(connectAnswer({ rooms })).toEqual({
        ...NOTHING,
        faults: [{ pointer: "/rooms", detail: "is an array of rooms' names" }],
      })
  })

  it("gives its info as it is, up to 2,048 characters of JSON, and none that is longer", () => {
    for (const info of [null, 0, "Ann", { name: "Ann" }, "x".repeat(2_046)])
      expect(connectAnswer({ info })).toEqual({ ...NOTHING, info })
    const { faults, info } = connectAnswer({ info: "x".repeat(2_047) })
    expect([info, faults.map(({ pointer }) => pointer)]).toEqual([undefined, ["/info"]])
  })
})
