import { expect, it } from "vitest"
import { jsonOf, KEYS, PUSH, problemOf, startHttp } from "./http-fixture.ts"

const JSON_TYPE = { "Content-Type": "application/json" }

it.each([
  ["nothing", "", /empty/],
  ["a broken object", '{"to": {"rooms": [}', /not JSON/],
  ["half a word", "tru", /not JSON/],
  ["two values", "{} {}", /position \d+/],
  ["a NUL", "\u0000", /not JSON/],
])("answers 400 to a body that is no JSON: %s", async (_, body, detail) => {
  await using http = await startHttp()
  const response = await http.post("/v1/messages", body)
  expect(response.headers.get("cache-control")).toBe("no-store")
  const problem = await problemOf(response, "invalid_json")
  expect(problem["detail"]).toMatch(detail)
})

it("answers 400 to a body that is not UTF-8", async () => {
  await using http = await startHttp()
  const body = new Uint8Array([...new TextEncoder().encode('{"event":"'), 0xf0, 0x9f, 0x92, 0x22, 0x7d])
  const response = await http.call("POST", "/v1/messages", { body, headers: JSON_TYPE })
  expect((await problemOf(response, "invalid_json"))["detail"]).toContain("UTF-8")
})

it.each([
  ["text/plain"],
  ["application/x-www-form-urlencoded"],
  ["application/jsonp"],
  ["application/json; charset=latin1"],
  [""],
])("answers 415 to the content type %j", async (type) => {
  await using http = await startHttp()
  await problemOf(await http.post("/v1/messages", PUSH, { "Content-Type": type }), "unsupported_media_type")
})

it.each([["application/json; charset=UTF-8"], ["Application/JSON"], ["application/vnd.roomcast+json"]])(
  "takes JSON as %j",
  async (type) => {
    await using http = await startHttp()
    expect((await http.post("/v1/messages", PUSH, { "Content-Type": type })).status).toBe(202)
  },
)

it("answers 415 to a compressed body, which it would not unpack", async () => {
  await using http = await startHttp()
  const response = await http.post("/v1/messages", PUSH, { "Content-Encoding": "gzip" })
  await problemOf(response, "unsupported_media_type")
})

it("answers 413 to a body that says it is too long, and reads nothing of it", async () => {
  await using http = await startHttp({ app: { bodyLimits: { push: 300, batch: 600, other: 100 } } })
  const body = JSON.stringify({ ...PUSH, data: "x".repeat(300) })
  const response = await http.post("/v1/messages", body, { "Content-Length": String(body.length) })
  expect((await problemOf(response, "payload_too_large"))["detail"]).toContain("300 bytes")
  expect(http.recorder.hits).toEqual(["request_bytes"])
})

it("answers 413 to a body that is too long without saying so", async () => {
  await using http = await startHttp({ app: { bodyLimits: { push: 300, batch: 600, other: 100 } } })
  let chunks = 0
  const endless = () =>
    new ReadableStream({
      pull: (controller) => {
        chunks++
        controller.enqueue(new TextEncoder().encode(" ".repeat(100)))
      },
    })
  for (const headers of [JSON_TYPE, { ...JSON_TYPE, "Content-Length": "nonsense" }]) {
    const init: RequestInit & { duplex: "half" } = { body: endless(), headers, duplex: "half" }
    await problemOf(await http.call("POST", "/v1/messages", init), "payload_too_large")
  }
  expect(chunks).toBeLessThan(20)
  const batch = await http.post("/v1/messages/batch", { messages: [PUSH, PUSH] })
  expect(batch.status).toBe(200)
})

it("takes a body in pieces that stays within the limit", async () => {
  await using http = await startHttp()
  const text = new TextEncoder().encode(JSON.stringify({ ...PUSH, data: "é".repeat(1_000) }))
  const body = new ReadableStream({
    start: (controller) => {
      for (let i = 0; i < text.length; i += 7) controller.enqueue(text.subarray(i, i + 7))
      controller.close()
    },
  })
  const init: RequestInit & { duplex: "half" } = { body, headers: JSON_TYPE, duplex: "half" }
  expect((await http.call("POST", "/v1/messages", init)).status).toBe(202)
})

it("answers 422 where a body breaks off, and not 500", async () => {
  await using http = await startHttp()
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) })
  const init: RequestInit & { duplex: "half" } = { body, headers: JSON_TYPE, duplex: "half" }
  await problemOf(await http.call("POST", "/v1/messages", init), "invalid_request")
})

it("takes a push as long as a batch may be where payloads have no limit, and nothing longer", async () => {
  await using http = await startHttp({ limits: { payloadBytes: 0 } })
  expect((await http.post("/v1/messages", { ...PUSH, data: "x".repeat(1_000_000) })).status).toBe(202)
  const headers = { "Content-Type": "application/json", "Content-Length": "10485761" }
  await problemOf(await http.call("POST", "/v1/messages", { body: "{}", headers }), "payload_too_large")
})

it("takes no batch above 10 MiB, however many pushes of the most size would be longer", async () => {
  await using http = await startHttp()
  const headers = { "Content-Type": "application/json", "Content-Length": "10485761" }
  await problemOf(await http.call("POST", "/v1/messages/batch", { body: "{}", headers }), "payload_too_large")
})

it("answers 404 to what is not there", async () => {
  await using http = await startHttp()
  for (const path of ["/", "/v1", "/v1/nothing", "/v1/messages/", "/v2/messages", "/V1/messages", "//v1/messages"])
    await problemOf(await http.call("GET", path), "not_found")
})

it.each([
  ["GET", "/v1/messages", "POST, OPTIONS"],
  ["HEAD", "/v1/messages", "POST, OPTIONS"],
  ["DELETE", "/v1/messages/batch", "POST, OPTIONS"],
  ["POST", "/livez", "GET, HEAD, OPTIONS"],
  ["PROPFIND", "/readyz", "GET, HEAD, OPTIONS"],
])("answers 405 to %s %s and says what is allowed", async (method, path, allow) => {
  await using http = await startHttp()
  const response = await http.call(method, path)
  expect(response.status).toBe(405)
  expect(response.headers.get("allow")).toBe(allow)
  if (method === "HEAD") expect(await response.text()).toBe("")
  else await problemOf(response, "method_not_allowed")
})

it("answers OPTIONS with what is allowed, without a credential", async () => {
  await using http = await startHttp()
  const response = await http.app.request("/v1/messages", { method: "OPTIONS" })
  expect(response.status).toBe(204)
  expect(response.headers.get("allow")).toBe("POST, OPTIONS")
})

it.each(["/v1/messages/%", "/v1/%zz", "/v1/rooms/%E0%A4%A", "/livez?x=%ff"])(
  "refuses the URL %s, which does not decode",
  async (path) => {
    await using http = await startHttp()
    const body = await problemOf(await http.call("GET", path), "invalid_request")
    expect(body["detail"]).toContain("%")
  },
)

it("gives every response a request id, and takes over a well-formed one", async () => {
  await using http = await startHttp()
  const idOf = async (path: string, given: string): Promise<string | null> => {
    const response = await http.call("GET", path, { headers: { "X-Request-Id": given } })
    return response.headers.get("x-request-id")
  }
  for (const path of ["/livez", "/readyz", "/metrics", "/nowhere", "/v1/messages", "/v1/%"]) {
    expect(await idOf(path, "Trace-1.2_3")).toBe("Trace-1.2_3")
    for (const bad of ["", "a b", "x".repeat(129), "é", "a/b", '"x"']) {
      const id = await idOf(path, bad)
      expect(id).toMatch(/^[\w.-]{1,128}$/)
      expect(id).not.toBe(bad)
    }
  }
})

it("counts requests by the route's pattern and never by the raw path", async () => {
  await using http = await startHttp()
  await http.post("/v1/messages", PUSH)
  await http.call("GET", "/v1/who-knows-what")
  await http.call("BREW", "/v1/messages")
  await http.app.request("/v1/messages", { method: "POST" })
  await http.call("HEAD", "/livez")
  const counted = http.recorder.calls.httpRequest.map(([method, route, status]) => [method, route, status])
  expect(counted).toEqual([
    ["POST", "/v1/messages", 202],
    ["GET", "unmatched", 404],
    ["other", "unmatched", 405],
    ["POST", "/v1/messages", 401],
    ["HEAD", "/livez", 200],
  ])
  expect(http.recorder.calls.errorAnswered).toEqual([
    ["not_found", "http"],
    ["method_not_allowed", "http"],
    ["unauthorized", "http"],
  ])
})

it("logs each request at debug, without its key or body", async () => {
  await using http = await startHttp()
  await http.post("/v1/messages", { ...PUSH, data: "private words" }, { "X-Request-Id": "req-7" })
  const line = http.lines.find(({ annotations, level }) => level === "Debug" && "route" in annotations)
  expect(line?.annotations).toMatchObject({ requestId: "req-7", method: "POST", route: "/v1/messages", status: 202 })
  const published = http.lines.find(({ text }) => text.startsWith("message published"))
  expect(published?.annotations).toMatchObject({ requestId: "req-7" })
  expect(JSON.stringify(http.lines)).not.toMatch(new RegExp(`private words|${KEYS.all}`))
})

it("logs no request where the access log is off", async () => {
  await using http = await startHttp({ app: { accessLog: false } })
  await http.post("/v1/messages", PUSH)
  expect(http.lines.filter(({ annotations }) => "route" in annotations)).toEqual([])
})

it("lets the pages of allowed origins in and names no other", async () => {
  await using http = await startHttp()
  const from = (origin: string, method: string, headers: Record<string, string> = {}) =>
    Promise.resolve(http.app.request("/v1/messages", { method, headers: { Origin: origin, ...headers } }))
  const asked = { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization" }
  const preflight = await from("https://app.example", "OPTIONS", asked)
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get("access-control-allow-origin")).toBe("https://app.example")
  expect(preflight.headers.get("access-control-allow-headers")).toContain("Idempotency-Key")
  expect(preflight.headers.get("access-control-allow-methods")?.split(",")).toEqual(
    expect.arrayContaining(["GET", "POST", "PUT", "DELETE"]),
  )
  const refused = await from("https://app.example", "POST")
  expect(refused.headers.get("access-control-allow-origin")).toBe("https://app.example")
  expect(refused.headers.get("access-control-expose-headers")).toContain("RateLimit")
  await problemOf(refused, "unauthorized")
  for (const other of ["https://evil.example", "null"]) {
    expect((await from(other, "OPTIONS", asked)).headers.get("access-control-allow-origin")).toBeNull()
    expect((await from(other, "POST")).headers.get("access-control-allow-origin")).toBeNull()
  }
  expect((await http.post("/v1/messages", PUSH)).headers.get("access-control-allow-origin")).toBeNull()
})

it("answers the probes without a credential", async () => {
  await using http = await startHttp()
  for (const path of ["/livez", "/readyz"]) {
    const response = await http.app.request(path)
    expect([response.status, await response.text()]).toEqual([200, "ok"])
    expect(response.headers.get("cache-control")).toBe("no-store")
  }
  const metrics = await http.app.request("/metrics")
  expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4")
  expect(metrics.headers.get("cache-control")).toBe("no-store")
  expect(await metrics.text()).toBe("roomcast_up 1\n")
})

it("says why it is not ready, and stays alive", async () => {
  let reason: string | undefined = "draining"
  await using http = await startHttp({ app: { readiness: () => reason } })
  await problemOf(await http.app.request("/readyz"), "draining")
  reason = "redis: three beats missed"
  const response = await http.app.request("/readyz")
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1)
  const body = await problemOf(response, "engine_unavailable")
  expect(body["detail"]).toBe(reason)
  expect(body).not.toHaveProperty("outcome")
  expect((await http.app.request("/livez")).status).toBe(200)
})

it("keeps the metrics to who has their token, where there is one", async () => {
  await using http = await startHttp({ app: { metricsToken: "scrape-me" } })
  const get = (authorization?: string) =>
    Promise.resolve(
      http.app.request("/metrics", authorization === undefined ? {} : { headers: { Authorization: authorization } }),
    )
  const refused = await get()
  expect(refused.headers.get("www-authenticate")).toContain("Bearer")
  await problemOf(refused, "unauthorized")
  await problemOf(await get("Bearer other"), "unauthorized")
  expect((await get("Bearer scrape-me")).status).toBe(200)
})

it("answers 500 where the metrics cannot be had, and shows nothing of why", async () => {
  await using http = await startHttp({ app: { metricsText: () => Promise.reject(new Error("a secret detail")) } })
  const body = await problemOf(await http.app.request("/metrics"), "internal")
  expect(JSON.stringify(body)).not.toContain("secret")
  expect(http.lines.some(({ text }) => text.includes("a secret detail"))).toBe(true)
  expect(await jsonOf(await http.app.request("/metrics"))).toMatchObject({ code: "internal" })
})
