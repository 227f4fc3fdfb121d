import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ERRORS } from "#domain/errors.ts"
import { type Client, closeClients, connectClient } from "#tests/support/client.ts"
import { API_KEY, type Gateway, startGateway } from "#tests/support/gateway.ts"

let gateway: Gateway
let client: Client
beforeAll(async () => {
  gateway = await startGateway({ limits: { eventsPerSecond: 0, payloadBytes: 10_000, bufferBytes: 0 } })
  client = await connectClient(gateway, "generator", { rooms: ["open:here"] })
})
afterAll(async () => {
  closeClients()
  await gateway.stop()
})

const SEED = 20_261_123
const COUNT = 1_000

interface Bad {
  readonly event: string
  readonly args: readonly unknown[]
}

const GATEWAY = ["room:join", "room:leave", "room:publish", "room:members", "room:history", "session:refresh"]

const notAnObject = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.jsonValue()))
const badRoom = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "a b",
    "open:*",
    "$all",
    "$user:someone",
    "open:\u0000",
    "open:\u202e",
    "x".repeat(201),
    "é".repeat(101),
  ),
  fc.integer(),
  fc.array(fc.string(), { maxLength: 3 }),
  fc.constant(null),
  fc.record({ toString: fc.string() }),
  fc.constant(Buffer.from("open:here")),
)
const deep = (levels: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value }
  return value
}
const badData = fc.oneof(
  fc.integer({ min: 70, max: 400 }).map(deep),
  fc.constant("x".repeat(10_001)),
  fc.array(fc.string({ minLength: 200, maxLength: 300 }), { minLength: 60, maxLength: 70 }),
  fc.constant(Buffer.from([1, 2, 3])),
  fc.constant({ nested: [new Uint8Array(8)] }),
  fc.constant(JSON.parse('{"a":{"__proto__":{"admin":true}}}')),
  fc.constant(JSON.parse('{"constructor":{"prototype":{"admin":true}}}')),
)
const badName = fc.oneof(
  fc.constantFrom(
    "",
    "a*b",
    "x".repeat(201),
    "tab\there",
    "zero\u200bwidth",
    "room:shout",
    "session:steal",
    "room:",
    "constructor",
    "toString",
    "hasOwnProperty",
  ),
  fc.string({ minLength: 1, maxLength: 30 }).filter((name) => !GATEWAY.includes(name)),
)
const RESERVED = new Set(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"])

const bad: fc.Arbitrary<Bad> = fc.oneof(
  fc.tuple(fc.constantFrom(...GATEWAY), notAnObject).map(([event, input]) => ({ event, args: [input] })),
  fc.constantFrom(...GATEWAY).map((event) => ({ event, args: [] })),
  fc
    .tuple(fc.constantFrom("room:join", "room:publish", "room:members", "room:history", "room:leave"), badRoom)
    .map(([event, room]) => ({
      event,
      args: [event === "room:publish" ? { room, event: "e", data: 1 } : { room }],
    })),
  fc
    .tuple(fc.constantFrom(...GATEWAY), fc.constantFrom("__proto__", "extra", "constructor", "Room"))
    .map(([event, key]) => ({
      event,
      args: [JSON.parse(`{"room":"open:here","event":"e","data":1,"token":"t","${key}":1}`)],
    })),
  badData.map((data) => ({ event: "room:publish", args: [{ room: "open:here", event: "e", data }] })),
  badData.map((data) => ({ event: "application", args: [data] })),
  fc.tuple(badName, fc.jsonValue()).map(([event, data]) => ({ event, args: [data] })),
  badName.map((event) => ({ event: "room:publish", args: [{ room: "open:here", event, data: 1, id: "" }] })),
  fc.tuple(fc.jsonValue(), fc.jsonValue()).map(([a, b]) => ({ event: "application", args: [a, b] })),
  fc
    .constantFrom<unknown>(0, -1, 1.5, 1_001, "10", null)
    .map((limit) => ({ event: "room:history", args: [{ room: "open:here", limit }] })),
  fc
    .constantFrom<unknown>(1, "x".repeat(100), {}, null)
    .map((since) => ({ event: "room:history", args: [{ room: "open:here", since }] })),
  fc.string({ maxLength: 9_000 }).map((token) => ({ event: "session:refresh", args: [{ token }] })),
)

const isClear = (answer: unknown): boolean => {
  if (typeof answer !== "object" || answer === null || Reflect.get(answer, "ok") !== false) return false
  const error: unknown = Reflect.get(answer, "error")
  if (typeof error !== "object" || error === null) return false
  const code: unknown = Reflect.get(error, "code")
  const message: unknown = Reflect.get(error, "message")
  return (
    typeof code === "string" &&
    code in ERRORS &&
    code !== "internal" &&
    typeof message === "string" &&
    message.length > 10
  )
}

describe(`${COUNT} generated bad events (seed ${SEED})`, () => {
  it("are each answered with a clear error, on one connection that stays, in flat memory", async () => {
    const inputs = fc.sample(bad, { seed: SEED, numRuns: COUNT }).filter(({ event }) => !RESERVED.has(event))
    const before = await gateway.memory()
    const unclear: unknown[] = []
    for (const { args, event } of inputs) {
      const answer: unknown = await client.ask(event, ...args)
      if (!isClear(answer)) unclear.push({ event, args: JSON.stringify(args).slice(0, 200), answer })
      client.socket.emit(event, ...args) // and without an ack, where nobody can be told
    }
    expect(unclear).toEqual([])
    expect(inputs.length).toBeGreaterThan(COUNT * 0.95)
    expect(await client.ask("room:publish", { room: "open:here", event: "e", data: "still here" })).toMatchObject({
      ok: true,
    })
    expect(client.disconnects).toEqual([])
    expect((await gateway.memory()) - before).toBeLessThan(96 * 1_048_576)
    expect(gateway.output()).not.toMatch(/"level":"(error|fatal)"/i)
  })

  it("are refused at the handshake too: tokens, session ids and positions of every type", async () => {
    const values: unknown[] = [1, {}, [], null, true, "x".repeat(5_000), "\u0000", { toString: 1 }, "..", "a.b.c", -1]
    for (const value of values) {
      const refused = await connectClient(gateway, "bad-auth", {
        auth: { token: value },
        wait: false,
        reconnection: false,
      })
      await expect.poll(() => refused.errors.length, { timeout: 10_000 }).toBe(1)
      expect(refused.errors[0]?.data?.code).toBe("unauthorized")
      const fresh = await connectClient(gateway, "odd-session", {
        auth: { pid: value, offset: value },
        reconnection: false,
      })
      expect(fresh.ready[0]?.recovered).toBe(false)
      fresh.socket.disconnect()
    }
  })
})

describe(`${COUNT} generated bad requests (seed ${SEED})`, () => {
  const paths = [
    "/v1/messages",
    "/v1/messages/batch",
    "/v1/users/query",
    "/v1/revocations",
    "/v1/nothing",
    "/v1/rooms/%E0%A4%A/members",
    "/v1/connections?limit=0",
    "/v1/rooms?cursor=%00",
    "/",
  ]
  const request = fc.record({
    path: fc.constantFrom(...paths),
    method: fc.constantFrom("POST", "PUT", "DELETE", "PATCH"),
    body: fc.oneof(
      fc.string({ minLength: 1 }),
      fc.constant("[".repeat(20_000)),
      fc.constant("x".repeat(50_000)),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc
        .record({ to: fc.jsonValue(), event: fc.jsonValue(), data: fc.jsonValue() })
        .map((value) => JSON.stringify(value)),
      badData.map((data) => JSON.stringify({ to: { rooms: ["open:here"] }, event: "e", data })),
    ),
    headers: fc.constantFrom<Record<string, string>>(
      {},
      { "content-type": "text/plain" },
      { "content-encoding": "gzip" },
      { authorization: "Bearer wrong" },
      { authorization: "Basic eDp5" },
      { authorization: "" },
      { "idempotency-key": "x".repeat(300) },
      { "x-request-id": "\u0001".replace("\u0001", "%01") },
      { "content-type": "application/json; charset=utf-16" },
    ),
  })

  it("each get a problem with a code, or what they ask for, and never a fault of the gateway's own", async () => {
    const before = await gateway.memory()
    const odd: unknown[] = []
    let refused = 0
    for (const { body, headers, method, path } of fc.sample(request, { seed: SEED, numRuns: COUNT })) {
      const response = await fetch(gateway.url + path, {
        method,
        body,
        headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json", ...headers },
      })
      const text = await response.text()
      if (response.status >= 400) refused++
      const problem: unknown =
        response.status >= 400 && response.headers.get("content-type")?.includes("problem+json")
          ? JSON.parse(text)
          : undefined
      const code: unknown = typeof problem === "object" && problem !== null ? Reflect.get(problem, "code") : undefined
      const isFine = response.status < 400 || (response.status < 500 && typeof code === "string" && code in ERRORS)
      if (!isFine || response.headers.get("x-request-id") === null)
        odd.push({ path, method, body: body.slice(0, 100), headers, status: response.status, text: text.slice(0, 200) })
    }
    expect(odd).toEqual([])
    expect(refused).toBeGreaterThan(COUNT * 0.9)
    expect((await gateway.call("GET", "/livez")).status).toBe(200)
    expect((await gateway.memory()) - before).toBeLessThan(96 * 1_048_576)
    expect(gateway.output()).not.toMatch(/"level":"(error|fatal)"/i)
  })
})
