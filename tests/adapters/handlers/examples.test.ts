import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { ANN, openHandlers } from "./handler-fixture.ts"

const EXAMPLES = fileURLToPath(new URL("../../../examples/handlers", import.meta.url))
const caller = { info: { name: "Ann", teams: ["blue"] } }

describe("the example handlers", () => {
  it("chat.send pushes to the team's room and answers with the message's id", async () => {
    await using handlers = await openHandlers(EXAMPLES)
    expect(await handlers.run("chat.send", { team: "blue", text: "  hello " }, { caller })).toEqual({
      data: { id: "m1", offset: "e.1" },
    })
    expect(handlers.called).toEqual([
      [
        "push",
        {
          to: { rooms: ["team:blue"] },
          event: "chat.message",
          data: { text: "hello", from: { userId: "ann", name: "Ann" } },
        },
      ],
    ])
  })

  it("chat.send refuses who is not in the team, and text that is empty", async () => {
    await using handlers = await openHandlers(EXAMPLES)
    for (const info of [caller.info, null, {}])
      expect(await handlers.run("chat.send", { team: "red", text: "hi" }, { caller: { info } })).toEqual({
        error: { code: "not_in_team", message: "only members of the team red may write to it" },
      })
    expect(await handlers.run("chat.send", { team: "blue", text: " " }, { caller })).toMatchObject({
      error: { code: "invalid_request", details: [{ pointer: "/text" }] },
    })
    expect(handlers.called).toEqual([])
  })

  it("typing reaches the others of the team, volatile", async () => {
    await using handlers = await openHandlers(EXAMPLES)
    expect(await handlers.run("typing", { team: "blue", typing: true }, { caller })).toEqual({ data: null })
    expect(handlers.called).toEqual([
      [
        "push",
        {
          to: { rooms: ["team:blue"], except: { connections: ["c1"] } },
          event: "typing",
          data: { userId: "ann", typing: true },
          volatile: true,
        },
      ],
    ])
    expect(await handlers.run("typing", { team: "red", typing: true }, { caller })).toMatchObject({
      error: { code: "not_in_team" },
    })
  })

  it("connect-audit lets in and logs, and keeps suspended users out", async () => {
    await using handlers = await openHandlers(EXAMPLES)
    expect(await handlers.settle(handlers.port.connect(ANN))).toEqual({ data: undefined })
    expect(handlers.logs.entries.at(-1)).toMatchObject({ message: "connecting", annotations: { userId: "ann" } })
    expect(await handlers.settle(handlers.port.connect({ ...ANN, info: { suspended: true } }))).toEqual({
      error: { code: "suspended", message: "this account is suspended" },
    })
  })
})
