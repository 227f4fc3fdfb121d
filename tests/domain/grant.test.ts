import { describe, expect, it } from "vitest"
import { type EnteredBy, grantToJoin, grantToPublish, mayStay } from "#domain/grant.ts"
import type { JoinRule, PublishRule, RoomRule } from "#domain/room-rules.ts"
import { room, userNamed } from "./made.ts"

const ROOM = room("chat:1")
const granted = userNamed("ann", { rooms: ["news", "chat:*"], publish: ["chat:1"] })
const ungranted = userNamed("ben", { rooms: ["chat:2"], publish: ["news"] })
const claimless = userNamed("cy")

const rule = (join: JoinRule, publish: PublishRule = "nobody"): RoomRule => ({
  match: "*",
  join,
  publish,
  presence: false,
  history: undefined,
})

describe("who may join", () => {
  it("is decided by the rule, and where it says token, by the token's claim", () => {
    const table = [
      ["anyone", "rule", "rule"],
      ["token", "claim", "no"],
      ["backend", "ask", "ask"],
      ["nobody", "no", "no"],
    ] as const
    for (const [join, withClaim, without] of table) {
      expect(grantToJoin(granted, rule(join), ROOM), join).toBe(withClaim)
      expect(grantToJoin(ungranted, rule(join), ROOM), join).toBe(without)
      expect(grantToJoin(claimless, rule(join), ROOM), join).toBe(without)
    }
  })
})

describe("who may stay in a room that it came into earlier", () => {
  const WAYS: readonly EnteredBy[] = ["rule", "claim", "backend", "api"]

  it("depends on how it came in and on what the rule and the token say now", () => {
    const table: readonly (readonly [JoinRule, boolean, readonly EnteredBy[]])[] = [
      ["anyone", true, ["rule", "claim", "backend", "api"]],
      ["anyone", false, ["rule", "claim", "backend", "api"]],
      ["token", true, ["rule", "claim", "backend", "api"]],
      ["token", false, ["backend", "api"]],
      ["backend", true, ["backend", "api"]],
      ["backend", false, ["backend", "api"]],
      ["nobody", true, ["api"]],
      ["nobody", false, ["api"]],
    ]
    for (const [join, claim, stay] of table)
      for (const user of claim ? [granted] : [ungranted, claimless])
        expect(
          WAYS.filter((by) => mayStay(user, rule(join), ROOM, by)),
          `${join}, ${claim}`,
        ).toEqual(stay)
  })

  it("is nobody where no rule matches the room any more", () => {
    for (const by of WAYS) expect(mayStay(granted, undefined, ROOM, by)).toBe(false)
  })
})

describe("who may publish", () => {
  it("is decided by the rule, by membership and by the token's claim", () => {
    const table = [
      ["members", true, "yes", "yes"],
      ["members", false, "no", "no"],
      ["token", true, "yes", "no"],
      ["token", false, "yes", "no"],
      ["backend", true, "ask", "ask"],
      ["backend", false, "ask", "ask"],
      ["nobody", true, "no", "no"],
      ["nobody", false, "no", "no"],
    ] as const
    for (const [publish, member, withClaim, without] of table) {
      expect(grantToPublish(granted, rule("anyone", publish), ROOM, member), publish).toBe(withClaim)
      expect(grantToPublish(ungranted, rule("anyone", publish), ROOM, member), publish).toBe(without)
      expect(grantToPublish(claimless, rule("anyone", publish), ROOM, member), publish).toBe(without)
    }
  })

  it("is not decided by the claim to join, nor joining by the claim to publish", () => {
    const joiner = userNamed("ann", { rooms: ["*"] })
    const publisher = userNamed("ann", { publish: ["*"] })
    expect(grantToPublish(joiner, rule("token", "token"), ROOM, true)).toBe("no")
    expect(grantToJoin(publisher, rule("token", "token"), ROOM)).toBe("no")
  })
})
