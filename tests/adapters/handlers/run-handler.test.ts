import { describe, expect, it } from "vitest"
import { Declined, Refusal } from "#domain/errors.ts"
import { withHandler } from "./handler-fixture.ts"

const FAILED = { error: { code: "handler_failed", message: "the event's handler failed" } }

const until = async (what: string, holds: () => boolean): Promise<void> => {
  const deadline = Date.now() + 10_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`)
    await new Promise((done) => setTimeout(done, 5))
  }
}

describe("a handler", () => {
  it("gets the data and who sent it, and its result is the answer", () =>
    withHandler(
      "handle: (data, { userId, connectionId, info }) => ({ data, userId, connectionId, info })",
      async (handlers) => {
        expect(await handlers.run("it", { a: [1, null, "ü"] })).toEqual({
          data: { data: { a: [1, null, "ü"] }, userId: "ann", connectionId: "c1", info: { name: "Ann" } },
        })
        expect(await handlers.run("it", null)).toMatchObject({ data: { data: null } })
      },
    ))

  it("pushes, joins and leaves, itself or another connection, and gives on what push answers", () =>
    withHandler(
      `async handle(room, { push, join, leave }) {
        await join(room); await join(room, "c2"); await leave(room); await leave(room, "c2")
        return push({ to: { rooms: [room] }, event: "e", data: 1 })
      }`,
      async (handlers) => {
        expect(await handlers.run("it", "r1")).toEqual({ data: { id: "m1", offset: "e.1" } })
        expect(handlers.called).toEqual([
          ["join", "c1", "r1"],
          ["join", "c2", "r1"],
          ["leave", "c1", "r1"],
          ["leave", "c2", "r1"],
          ["push", { to: { rooms: ["r1"] }, event: "e", data: 1 }],
        ])
      },
    ))

  it("pushes with ack and gets what the clients acknowledged, which it got a plain push for before", () =>
    withHandler(
      'handle: (_, { push }) => push({ to: { users: ["bob"] }, event: "ready?", ack: { timeoutMs: 500 } })',
      async (handlers) => {
        expect(await handlers.run("it")).toEqual({
          data: { id: "m1", responses: [{ connectionId: "c2", userId: "bob", data: "yes" }], missing: ["c3"] },
        })
        expect(handlers.called).toEqual([["pushWithAcks", { to: { users: ["bob"] }, event: "ready?" }, 500]])
      },
    ))

  it.each([
    ["an unknown member", '{ to: { rooms: ["r"] }, event: "e", ttl: 5 }', "", "unknown: ttl; known are to, event"],
    ["an unknown member of to", '{ to: { room: "r" }, event: "e" }', "/to", "unknown: room; known are rooms, users"],
    ["an unknown member of ack", '{ to: { all: true }, event: "e", ack: { timeout: 5 } }', "/ack/timeoutMs", ""],
    ["text for a list", '{ to: { rooms: "r1" }, event: "e" }', "/to/rooms", "expected array"],
    ["a yes that is none", '{ to: { all: "yes" }, event: "e" }', "/to/all", "expected boolean"],
    ["no target", '{ event: "e" }', "/to", "expected object"],
    ["nothing", "", "", "expected object"],
  ])("is told clearly that a push has %s, and pushes nothing", (_, push, pointer, detail) =>
    withHandler(
      `async handle(_, { push }) {
        try { await push(${push}) } catch (error) { return { name: error.name, code: error.code, details: error.details } }
      }`,
      async (handlers) => {
        expect(await handlers.run("it")).toMatchObject({
          data: {
            name: "ActionRefused",
            code: "invalid_request",
            details: expect.arrayContaining([{ pointer, detail: expect.stringContaining(detail) }]),
          },
        })
        expect(handlers.called).toEqual([])
      },
    ),
  )

  it("logs with the connection's id and the event, and cannot change those", () =>
    withHandler(
      `handle(_, { log }) {
        log.debug("d"); log.info("i", { n: 1 }); log.warn("w", { connectionId: "forged" }); log.error("e")
      }`,
      async (handlers) => {
        expect(await handlers.run("it")).toEqual({ data: null })
        const labels = {
          category: ["adapters", "handlers"],
          connectionId: "c1",
          event: "it",
          handler: "it.ts",
          requestId: "q1",
        }
        expect(handlers.logs.entries.slice(1)).toEqual([
          { level: "Debug", message: "d", annotations: labels, cause: "" },
          { level: "Info", message: "i", annotations: { n: 1, ...labels }, cause: "" },
          { level: "Warn", message: "w", annotations: labels, cause: "" },
          { level: "Error", message: "e", annotations: labels, cause: "" },
        ])
      },
    ))
})

describe("a handler's schema", () => {
  it("checks the data, and gives on what it made of it", () =>
    withHandler(
      "input: z.object({ text: z.string().trim(), n: z.number().default(3) }), handle: (input) => input",
      async (handlers) => {
        expect(await handlers.run("it", { text: " hi ", extra: true })).toEqual({ data: { text: "hi", n: 3 } })
      },
    ))

  it("refuses other data as invalid_request, with a pointer into the data for each fault", () =>
    withHandler(
      'input: z.object({ path: z.array(z.object({ x: z.number() })), "a/b~c": z.literal("yes") }), handle: () => "ran"',
      async (handlers) => {
        expect(await handlers.run("it", { path: [{ x: "1" }], "a/b~c": "no" })).toEqual({
          error: {
            code: "invalid_request",
            message: "/path/0/x: Invalid input: expected number, received string (and 1 more)",
            details: [
              { pointer: "/path/0/x", detail: "Invalid input: expected number, received string" },
              { pointer: "/a~1b~0c", detail: 'Invalid input: expected "yes"' },
            ],
          },
        })
        expect(await handlers.run("it", null)).toMatchObject({
          error: { code: "invalid_request", details: [{ pointer: "" }] },
        })
        expect(handlers.logs.entries.slice(1)).toEqual([])
      },
    ))

  it("may be asynchronous, and of any library", () =>
    withHandler(
      `input: { "~standard": { version: 1, vendor: "own", validate: async (value) => value === "good"
        ? { value: "better" }
        : { issues: [{ message: "not good", path: [{ key: "deep" }, 0] }, { message: "no path" }] } } },
       handle: (input) => input`,
      async (handlers) => {
        expect(await handlers.run("it", "good")).toEqual({ data: "better" })
        expect(await handlers.run("it", "bad")).toMatchObject({
          error: {
            details: [
              { pointer: "/deep/0", detail: "not good" },
              { pointer: "", detail: "no path" },
            ],
          },
        })
      },
    ))

  it("names at most 20 faults, each in at most 300 characters", () =>
    withHandler(
      `input: { "~standard": { version: 1, vendor: "own", validate: () => ({
        issues: Array.from({ length: 1000 }, () => ({ message: "m".repeat(10_000) })) }) } }, handle: () => 1`,
      async (handlers) => {
        const answer = await handlers.run("it", 1)
        if (!("error" in answer)) throw new Error("it ran")
        expect(answer.error.details).toEqual(Array(20).fill({ pointer: "", detail: "m".repeat(300) }))
      },
    ))

  it("that throws is a failure of the handler", () =>
    withHandler(
      'input: { "~standard": { version: 1, vendor: "own", validate() { throw new Error("schema-secret") } } }, handle: () => 1',
      async (handlers) => {
        expect(await handlers.run("it", 1)).toEqual(FAILED)
        expect(handlers.logs.entries[1]?.cause).toContain("schema-secret")
      },
    ))
})

describe("a handler's refusal", () => {
  it("answers in its own words, through awaits and before anything else is done", () =>
    withHandler(
      `async handle(_, { refuse, push }) {
        const inner = async () => { await null; refuse("sold_out", "none left", { next: "Monday" }) }
        await Promise.all([inner()])
        await push({ to: { all: true }, event: "never" })
      }`,
      async (handlers) => {
        expect(await handlers.run("it")).toEqual({
          error: { code: "sold_out", message: "none left", details: { next: "Monday" } },
        })
        expect(handlers.called).toEqual([])
        expect(handlers.logs.entries.slice(1)).toEqual([])
      },
    ))

  it("that the handler catches is the handler's own business", () =>
    withHandler(
      'handle(_, { refuse }) { try { refuse("no", "m") } catch (error) { return error.message } }',
      async (handlers) => {
        expect(await handlers.run("it")).toEqual({ data: "no: m" })
      },
    ))

  it.each([
    ['refuse("not now", "m")', "code is 1-64"],
    ['refuse("", "m")', "code is 1-64"],
    ['refuse("no")', "message is text"],
    ['refuse("no", "m".repeat(501))', "message is text of at most 500"],
    ['refuse("no", "m", { at: new Date() })', "details is plain JSON"],
    ['refuse("no", "m", "d".repeat(4096))', "details has at most 4096 bytes"],
  ])("%s is a mistake: handler_failed, and the log says which", (call, fault) =>
    withHandler(`handle(_, { refuse }) { ${call} }`, async (handlers) => {
      expect(await handlers.run("it")).toEqual(FAILED)
      expect(handlers.logs.entries[1]?.cause).toContain(fault)
    }),
  )
})

describe("a handler that fails", () => {
  it.each([
    ["throws", 'handle() { throw new Error("db-password") }'],
    ["rejects", 'async handle() { await null; throw new Error("db-password") }'],
    ["throws what is no error", 'handle() { throw "db-password" }'],
    ["returns a function", "handle: () => () => 'db-password'"],
    ["returns a function within", "handle: () => ({ data: [{ f() {} }] })"],
    ["returns a bigint", "handle: () => ({ n: 1n })"],
    ["returns a symbol", "handle: () => Symbol('db-password')"],
    ["returns a cycle", "handle() { const a = {}; a.a = a; return a }"],
    ["returns a Map", "handle: () => new Map([[1, 2]])"],
    ["returns bytes", "handle: () => ({ bytes: new Uint8Array(3) })"],
    ["returns NaN", "handle: () => [NaN]"],
    ["returns too deep a nest", "handle() { let a = 1; for (let i = 0; i < 100; i++) a = [a]; return a }"],
    ["returns far too deep a nest", "handle() { let a = 1; for (let i = 0; i < 1e5; i++) a = { a }; return a }"],
    ["returns a prototype's key", `handle: () => JSON.parse('{"__proto__":1}')`],
    ["returns what throws when it is read", "handle: () => ({ get a() { throw new Error('db-password') } })"],
  ])("because it %s, answers handler_failed, and only the log says why", (_, members) =>
    withHandler(members, async (handlers) => {
      expect(await handlers.run("it")).toEqual(FAILED)
      expect(handlers.logs.entries.slice(1)).toMatchObject([
        {
          level: "Error",
          message: "a handler failed",
          annotations: { category: ["adapters", "handlers"], event: "it", connectionId: "c1", handler: "it.ts" },
          cause: expect.stringMatching(/./),
        },
      ])
    }),
  )

  it("is logged with the line that threw", () =>
    withHandler('\n\nhandle() { throw new Error("here") }', async (handlers) => {
      await handlers.run("it")
      expect(handlers.logs.entries[1]?.cause).toMatch(/it\.ts.*:4/)
    }))

  it.each([
    ["undefined", "undefined", null],
    ["members that are undefined", "({ a: 1, b: undefined })", { a: 1 }],
    ["a date within", "({ at: new Date(0) })", { at: "1970-01-01T00:00:00.000Z" }],
    ["an object without prototype", "Object.assign(Object.create(null), { a: [1] })", { a: [1] }],
    ["a promise of a promise", "Promise.resolve(Promise.resolve(3))", 3],
  ])("is not one that returns %s", (_, expression, data) =>
    withHandler(`handle: () => ${expression}`, async (handlers) => {
      expect(await handlers.run("it")).toEqual({ data })
    }),
  )

  it("because its push was refused, and it did not catch that, is logged with the refusal's code", () =>
    withHandler(
      'handle: (_, { push }) => push({ to: { rooms: ["r1"] }, event: "e" })',
      async (handlers) => {
        expect(await handlers.run("it")).toEqual(FAILED)
        expect(handlers.logs.entries[1]?.cause).toContain("ActionRefused: unknown_room: no rule matches")
      },
      { refuse: new Refusal("unknown_room", "no rule matches", { faults: [{ pointer: "/to", detail: "d" }] }) },
    ))

  it.each([
    [
      "a refusal of the gateway",
      new Refusal("unknown_room", "m", { faults: [{ pointer: "/to", detail: "d" }] }),
      "unknown_room",
    ],
    ["the backend's refusal", new Declined("full", "m", [{ pointer: "/to", detail: "d" }]), "full"],
  ])("may catch %s: code and details are there", (_, refusal, code) =>
    withHandler(
      'async handle(_, { join }) { try { await join("r") } catch ({ name, code, details }) { return { name, code, details } } }',
      async (handlers) => {
        expect(await handlers.run("it")).toEqual({
          data: { name: "ActionRefused", code, details: [{ pointer: "/to", detail: "d" }] },
        })
      },
      { refuse: refusal },
    ),
  )
})

describe("a handler that is late", () => {
  it("answers handler_failed, is told by its signal, and is counted and logged", () =>
    withHandler(
      `timeout: "30ms", handle: (_, { signal, log }) => new Promise((_, reject) => {
        signal.addEventListener("abort", () => { log.info("told", { reason: signal.reason.name }); reject(signal.reason) }) })`,
      async (handlers) => {
        expect(await handlers.run("it")).toEqual(FAILED)
        await until("it was told", () => handlers.logs.entries.length === 3)
        expect(
          handlers.logs.entries
            .slice(1)
            .map(({ message }) => message)
            .sort(),
        ).toEqual(["a handler was late", "told"])
        expect(handlers.logs.text()).toContain("TimeoutError")
        expect(handlers.logs.text()).toContain('"timeoutMs":30')
        expect(handlers.metrics.hits).toEqual(["handler_timeout"])
      },
    ))

  it("has the configured time where it names none, its schema's included", () =>
    withHandler(
      'input: { "~standard": { version: 1, vendor: "own", validate: () => new Promise(() => {}) } }, handle: () => 1',
      async (handlers) => {
        expect(await handlers.run("it")).toEqual(FAILED)
        expect(handlers.logs.entries[1]?.annotations["timeoutMs"]).toBe(20)
      },
      { defaultTimeoutMs: 20 },
    ))

  it("and fails later changes no answer, ends nothing, and is logged", () =>
    withHandler(
      'timeout: 10, async handle() { await new Promise((done) => setTimeout(done, 40)); throw new Error("much later") }',
      async (handlers) => {
        expect(await handlers.run("it")).toEqual(FAILED)
        await until("its failure is logged", () => handlers.logs.text().includes("much later"))
        expect(handlers.logs.entries.at(-1)).toMatchObject({
          level: "Warn",
          message: "a handler failed after nobody waited for it",
          annotations: { event: "it" },
        })
      },
    ))

  it("is told by its signal too when its caller goes away", () =>
    withHandler(
      `handle: (_, { signal, log }) => new Promise(() => {
        log.info("waiting"); signal.addEventListener("abort", () => log.info("told", { reason: signal.reason.name })) })`,
      async (handlers) => {
        const caller = new AbortController()
        const running = handlers.run("it", 1, { signal: caller.signal }).catch(() => "interrupted")
        await until("it runs", () => handlers.logs.text().includes("waiting"))
        caller.abort()
        expect(await running).toBe("interrupted")
        await until("it was told", () => handlers.logs.text().includes("AbortError"))
        expect(handlers.metrics.hits).toEqual([])
      },
    ))

  it("does not hold up another event", () =>
    withHandler(
      "handle: (data) => (data === 'slow' ? new Promise(() => {}) : data)",
      async (handlers) => {
        const slow = handlers.run("it", "slow")
        expect(await handlers.run("it", "quick")).toEqual({ data: "quick" })
        expect(await slow).toEqual(FAILED)
      },
      { defaultTimeoutMs: 200 },
    ))
})
