import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { expect, it } from "vitest"
import { RateLimiter } from "#application/ports/rate-limiter.ts"
import { Refusal } from "#domain/errors.ts"
import { KEYS, PUSH, problemOf, startHttp } from "./http-fixture.ts"

it("says nothing of rates where there is no limit", async () => {
  await using http = await startHttp()
  const response = await http.post("/v1/messages", PUSH)
  expect(response.headers.get("ratelimit-policy")).toBeNull()
  expect(response.headers.get("ratelimit")).toBeNull()
})

it("says what is left, answers 429 with Retry-After past it, and counts the limit's hit", async () => {
  await using http = await startHttp({ limits: { pushesPerSecond: 2 } })
  const left: string[] = []
  let response = await http.post("/v1/messages", PUSH)
  while (response.status === 202) {
    expect(response.headers.get("ratelimit-policy")).toBe('"pushes";q=4;w=2')
    const rate = response.headers.get("ratelimit") ?? ""
    expect(rate).toMatch(/^"pushes";r=\d+;t=\d+$/)
    left.push(rate)
    response = await http.post("/v1/messages", PUSH)
  }
  expect(left.length).toBeGreaterThanOrEqual(4)
  expect(left[0]).toContain("r=3")
  expect(response.headers.get("ratelimit")).toMatch(/^"pushes";r=0;t=1$/)
  expect(response.headers.get("retry-after")).toBe("1")
  await problemOf(response, "rate_limited")
  expect(http.recorder.hits).toContain("pushes_per_second")
})

it("counts each message of a batch, and each credential by itself", async () => {
  await using http = await startHttp({ limits: { pushesPerSecond: 1 } })
  const batch = await http.post("/v1/messages/batch", { messages: [PUSH, PUSH] })
  expect(batch.headers.get("ratelimit")).toContain("r=0")
  let single = await http.post("/v1/messages", PUSH)
  // A machine that stands still for a second has earned one.
  for (let i = 0; i < 50 && single.status === 202; i++) single = await http.post("/v1/messages", PUSH)
  await problemOf(single, "rate_limited")
  const other = await http.post("/v1/messages", PUSH, { Authorization: "Bearer api.publish.sig" })
  expect(other.status).toBe(202)
})

it("counts a push that asks for acknowledgements like any other", async () => {
  await using http = await startHttp({ limits: { pushesPerSecond: 1 } })
  const asking = { ...PUSH, ack: { timeoutMs: 1_000 } }
  let response = await http.post("/v1/messages", asking)
  for (let i = 0; i < 50 && response.status === 200; i++) response = await http.post("/v1/messages", asking)
  await problemOf(response, "rate_limited")
})

it("refuses a batch that could never pass, for what it is", async () => {
  await using http = await startHttp({ limits: { pushesPerSecond: 1 } })
  const response = await http.post("/v1/messages/batch", { messages: [PUSH, PUSH, PUSH] })
  const { errors } = await problemOf(response, "invalid_request")
  expect(errors).toEqual([{ pointer: "/messages", detail: "at most 2 items under the rate limit, found 3" }])
  expect((await http.post("/v1/messages/batch", { messages: [PUSH, PUSH] })).status).toBe(200)
})

it("does not count what is refused before: a wrong body, a missing scope", async () => {
  await using http = await startHttp({ limits: { pushesPerSecond: 1 } })
  for (let i = 0; i < 5; i++) {
    await problemOf(await http.post("/v1/messages", {}), "invalid_request")
    const reader = { Authorization: `Bearer ${KEYS.reader}` }
    await problemOf(await http.post("/v1/messages", PUSH, reader), "insufficient_scope")
  }
  expect((await http.post("/v1/messages", PUSH)).status).toBe(202)
})

it("answers 503 where the rate cannot be counted, and knows that nothing was sent", async () => {
  await using http = await startHttp({
    limits: { pushesPerSecond: 1 },
    rateLimiter: Layer.succeed(RateLimiter, {
      take: () => Effect.fail(new Refusal("engine_unavailable", "redis is away")),
    }),
  })
  const body = await problemOf(await http.post("/v1/messages", PUSH), "engine_unavailable")
  expect(body).not.toHaveProperty("outcome")
})
