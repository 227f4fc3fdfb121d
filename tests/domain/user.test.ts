import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { room, userNamed } from "./made.ts"

describe("a user's token", () => {
  it("grants nothing where it lists nothing, for any room", () => {
    const { mayJoin, mayPublish } = userNamed("ann")
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect([mayJoin(room(name)), mayPublish(room(name))]).toEqual([false, false])
      }),
    )
  })

  it("grants what one of its patterns matches, joining and publishing apart", () => {
    const { mayJoin, mayPublish } = userNamed("ann", { rooms: ["news", "team:*"], publish: ["team:blue"] })
    expect(["news", "team:blue", "team:red"].map(mayJoin)).toEqual([true, true, true])
    expect(["news", "team:blue", "team:red"].map(mayPublish)).toEqual([false, true, false])
    expect(["", "newsletter", "xteam:"].some(mayJoin)).toBe(false)
  })
})
