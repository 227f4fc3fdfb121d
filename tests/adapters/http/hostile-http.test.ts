import * as fc from "fast-check"
import { afterAll, beforeAll, expect, it } from "vitest"
import { ERRORS } from "#domain/errors.ts"
import { KEYS, PUSH, startHttp } from "./http-fixture.ts"

interface Hostile {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: string | Uint8Array
}

let http: Awaited<ReturnType<typeof startHttp>>
beforeAll(async () => {
  http = await startHttp({ app: { accessLog: false } })
})
afterAll(() => http[Symbol.asyncDispose]())

const KEY = { Authorization: `Bearer ${KEYS.all}` }
const JSON_TYPE = { "Content-Type": "application/json" }
const post = (body: string | Uint8Array, headers: Record<string, string> = {}): Hostile => ({
  method: "POST",
  path: "/v1/messages",
  headers: { ...KEY, ...JSON_TYPE, ...headers },
  body,
})

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** What a header of Node may hold: a byte for each character, no control characters. */
const headerValue = fc
  .array(fc.integer({ min: 0x20, max: 0xff }), { maxLength: 60 })
  .map((codes) => String.fromCharCode(...codes.filter((code) => code !== 0x7f)).trim())

const noJson = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }).filter((text) => !isJson(text)),
  fc
    .tuple(fc.constantFrom(JSON.stringify(PUSH), "[1,2]", '{"a":"\\u00e9"}'), fc.nat(200))
    .map(([text, at]) => text.slice(0, at % text.length)),
)

const bytes = fc.uint8Array({ minLength: 1, maxLength: 80 }).map((raw) => Uint8Array.from([0x22, 0xff, ...raw, 0x22]))

/** A push with one thing wrong with it. */
const wrong = fc.oneof(
  fc.constantFrom("to", "event", "data").map((name) => ({ ...PUSH, [name]: undefined })),
  fc
    .tuple(fc.constantFrom("to", "event", "volatile", "ttlMs", "ack"), fc.constantFrom(null, [], [[]], -0.5, {}, 1e308))
    .filter(([name, value]) => name !== "to" || value === null || typeof value !== "object" || !("rooms" in value))
    .map(([name, value]) => ({ ...PUSH, [name]: value })),
  fc
    .tuple(
      fc.string({ unit: "binary", maxLength: 20 }).filter((n) => !/^(?:to|event|data|volatile|ttlMs|ack)$/.test(n)),
      fc.jsonValue({ maxDepth: 2 }),
    )
    .map(([name, value]) =>
      JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)},${JSON.stringify(PUSH).slice(1)}`),
    ),
  fc.string({ maxLength: 20 }).map((text) => ({ ...PUSH, to: { rooms: [`${text} *`] } })),
  fc.string({ maxLength: 20 }).map((text) => ({ ...PUSH, to: { rooms: [`$${text}`] } })),
  fc.string({ maxLength: 20 }).map((text) => ({ ...PUSH, to: { connections: [`${text}/`] } })),
  fc.string({ maxLength: 20 }).map((text) => ({ ...PUSH, event: `session:${text}` })),
  fc
    .integer({ min: 64, max: 20_000 })
    .map((depth) => `{"to":{"all":true},"event":"e","data":${'[{"a":'.repeat(depth / 2)}0${"}]".repeat(depth / 2)}}`),
  fc
    .constantFrom("__proto__", "\\u005f_proto__")
    .map((name) => `{"to":{"all":true},"event":"e","data":{"${name}":{}}}`),
  fc.constant({ ...PUSH, data: "\ud800".repeat(60_000) }),
)

const segment = fc
  .array(
    fc.constantFrom("a", "%", "%2", "%2f", "%00", "%ff", "%C0%AF", "..", ".", ";", "é", "\\", "~", "%25", "$all"),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((parts) => parts.join(""))

/** Routes with names and pages in them, none of which these could be. */
const misnamed = fc
  .constantFrom("%00", "a%20b", "*", "%2a", "%24all", "%0a", `${"x".repeat(201)}`, "%F0%9F%92", "a%E2%80%8Bb")
  .chain((name) =>
    fc.constantFrom<readonly [string, string]>(
      ["GET", `/v1/rooms/${name}`],
      ["GET", `/v1/rooms/${name}/members`],
      ["GET", `/v1/rooms/${name}/messages`],
      ["DELETE", `/v1/rooms/${name}/messages`],
      ["PUT", `/v1/users/ada/rooms/${name}`],
      ["DELETE", `/v1/connections/c/rooms/${name}`],
      ["GET", `/v1/rooms?limit=${name}`],
      ["GET", `/v1/connections?room=${name}`],
      ["GET", `/v1/connections?${name}=1`],
      ["GET", `/v1/revocations?limit=1&limit=${name}`],
    ),
  )

const hostile: fc.Arbitrary<Hostile> = fc.oneof(
  { weight: 4, arbitrary: misnamed.map(([method, path]) => ({ method, path, headers: KEY })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("/v1/users/query", "/v1/revocations"), fc.jsonValue({ maxDepth: 2 }))
      .map(([path, value]) => ({ ...post(JSON.stringify(value)), path })),
  },
  { weight: 3, arbitrary: noJson.map((text) => post(text)) },
  { weight: 1, arbitrary: bytes.map((body) => post(body)) },
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }).map((value) => post(JSON.stringify(value))) },
  { weight: 5, arbitrary: wrong.map((push) => post(typeof push === "string" ? push : JSON.stringify(push))) },
  {
    weight: 1,
    arbitrary: fc
      .oneof(
        fc.jsonValue({ maxDepth: 1 }).filter((v) => !Array.isArray(v) || v.length === 0),
        fc.constant([]),
      )
      .map((messages) => ({ ...post(JSON.stringify({ messages })), path: "/v1/messages/batch" })),
  },
  { weight: 2, arbitrary: headerValue.map((type) => post(JSON.stringify(PUSH), { "Content-Type": `x${type}` })) },
  {
    weight: 2,
    arbitrary: headerValue.map((value) => post(JSON.stringify(PUSH), { "Idempotency-Key": `${value} \u00e9` })),
  },
  { weight: 2, arbitrary: headerValue.map((value) => post(JSON.stringify(PUSH), { Authorization: value })) },
  {
    weight: 2,
    arbitrary: headerValue.map((value) => post(JSON.stringify(PUSH), { Authorization: `Bearer ${value}` })),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom("9".repeat(400), "1e9", "Infinity", "0x7fffffff", "-1 ", "999999999", "1_000_000_000", "abc")
      .map((length) => post(`${JSON.stringify(PUSH)}${" ".repeat(200_000)}`, { "Content-Length": length })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom("GET", "PUT", "PATCH", "DELETE", "QUERY", "BREW", "post", "SEARCH", "MKCOL", "LOCK"),
        fc.constantFrom("/v1/messages", "/v1/messages/batch"),
      )
      .filter(([method]) => method !== "post")
      .map(([method, path]) => ({ method, path, headers: KEY })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom("/", "/v1/", "/v1/messages/", "/v1//", "/livez/", "/x/"), segment, fc.boolean())
      .map(([base, rest, known]) => ({ method: "GET", path: base + rest, headers: known ? KEY : {} })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("webhook-id", "webhook-timestamp", "webhook-signature").chain((omitted) =>
      headerValue.map((value) => {
        const signed = { "webhook-id": value, "webhook-timestamp": value, "webhook-signature": `v1,${value}` }
        const { [omitted]: _, ...rest } = signed as Record<string, string>
        const headers = value.length % 2 === 0 ? signed : rest
        return { method: "POST", path: "/v1/messages", headers: { ...JSON_TYPE, ...headers }, body: "{}" }
      }),
    ),
  },
)

it("answers 1,000 hostile requests with a 4xx problem each, and never with a 5xx", async () => {
  const seed = 20_260_801
  const codes = new Map<string, number>()
  for (const { path, ...init } of fc.sample(hostile, { numRuns: 1_000, seed })) {
    const request = new Request(new URL(`http://localhost${path}`), init as RequestInit)
    const response = await http.app.fetch(request)
    const body = (await response.json()) as { code: string; status: number; detail: string }
    const told = `${init.method} ${path} ${JSON.stringify(init.headers)} ${String(init.body).slice(0, 300)}`
    expect(response.status, `${told} -> ${JSON.stringify(body)}`).toBeGreaterThanOrEqual(400)
    expect(response.status, told).toBeLessThan(500)
    expect(response.headers.get("content-type"), told).toBe("application/problem+json")
    expect(response.headers.get("x-request-id"), told).toMatch(/^[\w.-]{1,128}$/)
    expect(Object.keys(ERRORS), told).toContain(body.code)
    expect(body.status, told).toBe(response.status)
    codes.set(body.code, (codes.get(body.code) ?? 0) + 1)
  }
  expect(http.delivered).toEqual([])
  expect(http.lines.filter(({ level }) => level === "Error")).toEqual([])
  expect([...codes.keys()].sort()).toEqual([
    "event_too_deep",
    "invalid_json",
    "invalid_request",
    "method_not_allowed",
    "not_found",
    "payload_too_large",
    "reserved_event",
    "unauthorized",
    "unsupported_media_type",
  ])
})
