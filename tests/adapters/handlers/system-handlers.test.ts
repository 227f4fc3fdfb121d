import { describe, expect, it } from "vitest"
import { ANN, folderOf, openHandlers } from "./handler-fixture.ts"

const system = (on: string, handle: string, more = ""): string =>
  `import { defineHandler } from "roomcast"\nexport default defineHandler({ on: "${on}", ${more} ${handle} })\n`

const logs = (on: string, message: string): string =>
  system(on, `handle(input, { log }) { log.info("${message}", { input }) }`)

describe("connect handlers", () => {
  it("run one after the other in the order of their files, with the caller's context", async () => {
    await using folder = await folderOf({
      "b.ts": logs("connect", "second"),
      "a.ts": system(
        "connect",
        `async handle(_, { userId, join, log }) { await join("lobby"); log.info("first", { userId }) }`,
      ),
    })
    await using handlers = await openHandlers(folder.path)
    expect(await handlers.settle(handlers.port.connect(ANN))).toEqual({ data: undefined })
    expect(handlers.called).toEqual([["join", "c1", "lobby"]])
    expect(handlers.logs.entries.slice(1)).toMatchObject([
      { message: "first", annotations: { userId: "ann", on: "connect", handler: "a.ts", connectionId: "c1" } },
      { message: "second", annotations: { input: {}, on: "connect", handler: "b.ts" } },
    ])
  })

  it("may refuse: the rest do not run", async () => {
    await using folder = await folderOf({
      "a.ts": system("connect", 'handle(_, { refuse }) { refuse("suspended", "pay first", { owed: 3 }) }'),
      "b.ts": logs("connect", "second"),
    })
    await using handlers = await openHandlers(folder.path)
    expect(await handlers.settle(handlers.port.connect(ANN))).toEqual({
      error: { code: "suspended", message: "pay first", details: { owed: 3 } },
    })
    expect(handlers.logs.text()).not.toContain("second")
  })

  it.each([
    ["throw", 'handle() { throw new Error("db-password") }', ""],
    ["are late", "handle: () => new Promise(() => {}),", "timeout: 20,"],
  ])("that %s keep the client out: closed, not open", async (_, handle, more) => {
    await using folder = await folderOf({ "a.ts": system("connect", handle, more) })
    await using handlers = await openHandlers(folder.path)
    expect(await handlers.settle(handlers.port.connect(ANN))).toEqual({
      error: { code: "handler_failed", message: "the event's handler failed" },
    })
    expect(handlers.logs.entries[1]).toMatchObject({ level: "Error", annotations: { on: "connect" } })
  })
})

describe("disconnect and error handlers", () => {
  it("are told what happened", async () => {
    await using folder = await folderOf({ "a.ts": logs("disconnect", "gone"), "b.ts": logs("error", "failed") })
    await using handlers = await openHandlers(folder.path)
    await handlers.settle(handlers.port.disconnect(ANN, "transport close"))
    await handlers.settle(handlers.port.error(ANN, "chat.send", "not_in_team"))
    expect(handlers.logs.entries.slice(1)).toMatchObject([
      { message: "gone", annotations: { input: { reason: "transport close" }, on: "disconnect" } },
      { message: "failed", annotations: { input: { event: "chat.send", code: "not_in_team" }, on: "error" } },
    ])
  })

  it("that fail, refuse or are late are logged, and nobody else is hurt", async () => {
    await using folder = await folderOf({
      "a.ts": system("disconnect", 'handle() { throw new Error("broken") }'),
      "b.ts": system("disconnect", 'handle(_, { refuse }) { refuse("no", "m") }'),
      "c.ts": system("disconnect", "handle: () => new Promise(() => {})", "timeout: 20,"),
      "d.ts": logs("disconnect", "last"),
    })
    await using handlers = await openHandlers(folder.path)
    expect(await handlers.settle(handlers.port.disconnect(ANN, "ping timeout"))).toEqual({ data: undefined })
    expect(handlers.logs.entries.slice(1).map(({ level, message }) => [level, message])).toEqual([
      ["Error", "a handler failed"],
      ["Warn", "a handler refused what cannot be refused"],
      ["Error", "a handler was late"],
      ["Info", "last"],
    ])
  })
})
