import * as fc from "fast-check"
import { Webhook } from "standardwebhooks"
import { expect, it } from "vitest"
import { authenticate, hashApiKey } from "#adapters/http/api-key.ts"
import { KEYS, PUSH, problemOf, SIGNING_SECRET, startHttp } from "./http-fixture.ts"

const push = (http: Awaited<ReturnType<typeof startHttp>>, headers: Record<string, string>): Promise<Response> =>
  Promise.resolve(
    http.app.request("/v1/messages", {
      method: "POST",
      body: JSON.stringify(PUSH),
      headers: { "Content-Type": "application/json", ...headers },
    }),
  )

const bearer = (value: string): Record<string, string> => ({ Authorization: `Bearer ${value}` })

it("lets a known key in, however the scheme is written", async () => {
  await using http = await startHttp()
  for (const scheme of ["Bearer", "bearer", "BEARER "])
    expect((await push(http, { Authorization: `${scheme} ${KEYS.all}` })).status).toBe(202)
})

it.each([
  ["none", {}],
  ["another", bearer("rc_unknown")],
  ["the key's hash", bearer(hashApiKey(KEYS.all))],
  ["an empty one", { Authorization: "Bearer " }],
  ["two", { Authorization: `Bearer ${KEYS.all} ${KEYS.all}` }],
  ["another scheme", { Authorization: `Basic ${KEYS.all}` }],
  ["one that is too long", bearer("k".repeat(513))],
  ["a longer one that begins with the key", bearer(`${KEYS.all}x`)],
  ["one with two dots that is no token", bearer("a.b.c")],
  ["one with three dots", bearer("api.publish.x.y")],
])("answers 401 with a challenge to: %s", async (_, headers) => {
  await using http = await startHttp()
  const response = await push(http, headers)
  expect(response.headers.get("www-authenticate")).toMatch(/^Bearer /)
  const text = JSON.stringify(await problemOf(response, "unauthorized"))
  expect(text).not.toContain("rc_")
})

it("knows any string of up to 512 visible characters as a key", async () => {
  const key = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
    minLength: 1,
    maxLength: 512,
  })
  await fc.assert(
    fc.asyncProperty(key, async (value) => {
      await using http = await startHttp({
        app: { keys: [{ id: "k", scopes: ["publish"], hash: hashApiKey(value) }], accessLog: false },
      })
      expect((await push(http, bearer(value))).status).toBe(202)
      expect((await push(http, bearer(`${value.slice(0, -1)}${value.endsWith("~") ? "!" : "~"}`))).status).toBe(401)
    }),
    { numRuns: 20 },
  )
})

it("refuses to start with a key whose hash is none", async () => {
  await using http = await startHttp()
  const keys = [{ id: "bad", scopes: ["read" as const], hash: "plaintext" }]
  expect(() => authenticate(http.runtime, keys)).toThrow(/key bad: hash is sha256:/)
})

it("answers 403 naming the scope that is missing", async () => {
  await using http = await startHttp()
  for (const [key, found] of [
    [KEYS.reader, "read"],
    [KEYS.none, "none"],
  ] as const) {
    const response = await push(http, bearer(key))
    expect(response.headers.get("www-authenticate")).toContain("insufficient_scope")
    const { detail } = await problemOf(response, "insufficient_scope")
    expect(detail).toMatch(new RegExp(`scope publish, .* has ${found}$`))
  }
})

it("takes the API's own tokens, with the scopes that they name", async () => {
  await using http = await startHttp()
  expect((await push(http, bearer("api.publish.sig"))).status).toBe(202)
  await problemOf(await push(http, bearer("api.read.sig")), "insufficient_scope")
  await problemOf(await push(http, bearer("client.publish.sig")), "unauthorized")
  const away = await push(http, bearer("away.x.y"))
  expect(away.headers.get("retry-after")).toMatch(/^\d+$/)
  await problemOf(away, "keys_unavailable")
})

const signed = (body: string, id: string, at = new Date()): Record<string, string> => ({
  "Content-Type": "application/json",
  "webhook-id": id,
  "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
  "webhook-signature": new Webhook(SIGNING_SECRET).sign(id, at, body),
})

it("takes a request that is signed in the Standard Webhooks form, once", async () => {
  await using http = await startHttp()
  const body = JSON.stringify({ ...PUSH, data: "é" })
  const headers = signed(body, "msg_1")
  const send = () => Promise.resolve(http.app.request("/v1/messages", { method: "POST", body, headers }))
  expect((await send()).status).toBe(202)
  await problemOf(await send(), "unauthorized")
})

it("answers 401 to a signature over another body, an old one, and half a signature", async () => {
  await using http = await startHttp()
  const body = JSON.stringify(PUSH)
  const send = (headers: Record<string, string>, text = body) =>
    Promise.resolve(http.app.request("/v1/messages", { method: "POST", body: text, headers }))
  await problemOf(await send(signed(`${body} `, "msg_2")), "unauthorized")
  await problemOf(await send(signed(body, "msg_3", new Date(Date.now() - 3_600_000))), "unauthorized")
  const { "webhook-signature": _, ...half } = signed(body, "msg_4")
  expect((await problemOf(await send(half), "unauthorized"))["detail"]).toContain("missing: webhook-signature")
})

it("does not read more of an unsigned body than the limit before it knows the caller", async () => {
  await using http = await startHttp({ app: { bodyLimits: { push: 100, batch: 100, other: 100 } } })
  const body = "x".repeat(101)
  const response = await http.app.request("/v1/messages", { method: "POST", body, headers: signed(body, "msg_5") })
  await problemOf(response, "payload_too_large")
})

it("keeps no more of bodies under invented signatures than a bound, whoever sends them, and takes keys all the same", async () => {
  await using http = await startHttp()
  const MiB = 1_048_576
  const client = new AbortController()
  const open = (id: string) => {
    const init: RequestInit & { duplex: "half" } = {
      method: "POST",
      headers: { ...signed("", id), "Content-Length": String(10 * MiB) },
      body: new ReadableStream({
        start: (stream) => {
          const breakOff = (): void => stream.error(new Error("gone"))
          if (client.signal.aborted) breakOff()
          else client.signal.addEventListener("abort", breakOff)
        },
      }),
      duplex: "half",
    }
    return Promise.resolve(http.app.request("/v1/messages/batch", init))
  }
  const held = Array.from({ length: 6 }, (_, i) => open(`held_${i}`))
  const refused = await open("one_more")
  await problemOf(refused, "overloaded")
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1)
  expect(http.recorder.hits).toEqual(["unverified_bytes"])
  expect((await http.post("/v1/messages", PUSH)).status).toBe(202)
  client.abort()
  for (const response of held) await problemOf(await response, "invalid_request")
  // What they had is free again: as many come, and break off at once.
  for (let i = 0; i < 7; i++) await problemOf(await open(`later_${i}`), "invalid_request")
  const body = JSON.stringify(PUSH)
  const after = await http.app.request("/v1/messages", { method: "POST", body, headers: signed(body, "after") })
  expect(after.status).toBe(202)
})
