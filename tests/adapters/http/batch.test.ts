import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import { Refusal } from "#domain/errors.ts"
import { jsonOf, PUSH, problemOf, startHttp } from "./http-fixture.ts"

type Item = Record<string, unknown>
const resultsOf = async (response: Response): Promise<readonly Item[]> => {
  expect(response.status).toBe(200)
  return (await jsonOf(response))["results"] as readonly Item[]
}

it("answers each message of a batch in order, and those with faults fail alone", async () => {
  await using http = await startHttp()
  await http.watch("news:a", "plain:a")
  const messages = [
    PUSH,
    { ...PUSH, event: 3 },
    null,
    { ...PUSH, to: { rooms: ["unruled"] } },
    { ...PUSH, ack: { timeoutMs: 5 } },
    { ...PUSH, to: { rooms: ["plain:a"] }, data: 2 },
  ]
  const results = await resultsOf(await http.post("/v1/messages/batch", { messages }))
  expect(results).toMatchObject([
    { status: 202, id: expect.any(String), offset: expect.any(String) },
    { status: 422, code: "invalid_request", errors: [{ pointer: "/event" }] },
    { status: 422, code: "invalid_request", errors: [{ pointer: "", detail: "expected: object, found null" }] },
    { status: 422, code: "unknown_room" },
    {
      status: 422,
      code: "invalid_request",
      errors: [{ pointer: "/ack", detail: "not possible in a batch: push it by itself, to /v1/messages" }],
    },
    { status: 202, id: expect.any(String) },
  ])
  expect(results[5]).not.toHaveProperty("offset")
  expect(http.delivered.map(({ message }) => message.id)).toEqual([results[0]?.["id"], results[5]?.["id"]])
})

it("publishes the messages of a batch in their order, also when the engine is slow", async () => {
  await using http = await startHttp({
    engine: (real) => ({ publish: (publish) => Effect.tap(real.publish(publish), () => Effect.sleep(1)) }),
  })
  await http.watch("news:a")
  const messages = Array.from({ length: 200 }, (_, i) => ({ ...PUSH, data: i }))
  const results = await resultsOf(await http.post("/v1/messages/batch", { messages }))
  expect(http.delivered.map(({ message }) => Number(message.data))).toEqual(messages.map(({ data }) => data))
  expect(results.map(({ id }) => id)).toEqual(http.delivered.map(({ message }) => message.id))
})

it.each([[[]], [Array.from({ length: 1_001 }, () => PUSH)], ["x"], [undefined]])(
  "refuses a batch without 1-1000 messages",
  async (messages) => {
    await using http = await startHttp()
    const { errors } = await problemOf(await http.post("/v1/messages/batch", { messages }), "invalid_request")
    expect(errors).toMatchObject([{ pointer: "/messages" }])
  },
)

it("repeats a batch by its idempotency key: each message once, each answer the first", async () => {
  await using http = await startHttp()
  await http.watch("news:a")
  const key = { "Idempotency-Key": "batch-1" }
  const messages = [PUSH, { ...PUSH, data: "second" }]
  const first = await resultsOf(await http.post("/v1/messages/batch", { messages }, key))
  const again = await resultsOf(await http.post("/v1/messages/batch", { messages }, key))
  expect(again).toEqual(first)
  expect(http.delivered).toHaveLength(2)
  const changed = [PUSH, { ...PUSH, data: "other" }]
  const other = await resultsOf(await http.post("/v1/messages/batch", { messages: changed }, key))
  expect(other).toMatchObject([first[0], { status: 422, code: "idempotency_key_reused" }])
  const single = await http.post("/v1/messages", PUSH, key)
  expect(single.status).toBe(202)
  expect(http.delivered).toHaveLength(3)
})

it("stops trying once the engine is away, and says of each message what is known", async () => {
  let tries = 0
  await using http = await startHttp({
    engine: () => ({
      publish: () =>
        Effect.suspend(() => {
          tries++
          return Effect.fail(new Refusal("engine_unavailable", "redis is away"))
        }),
    }),
  })
  const messages = Array.from({ length: 500 }, () => PUSH)
  const results = await resultsOf(await http.post("/v1/messages/batch", { messages }))
  expect(results).toHaveLength(500)
  expect(results.every(({ status, code }) => status === 503 && code === "engine_unavailable")).toBe(true)
  expect(results.filter(({ outcome }) => outcome === "unknown")).toHaveLength(tries)
  expect(tries).toBeLessThan(500)
})

it("answers the rest of a batch when one message meets a defect", async () => {
  await using http = await startHttp({
    engine: (real) => ({
      publish: (publish) =>
        publish.message.data === '"bug"' ? Effect.die(new Error("a secret detail")) : real.publish(publish),
    }),
  })
  const messages = [PUSH, { ...PUSH, data: "bug" }, PUSH]
  const results = await resultsOf(await http.post("/v1/messages/batch", { messages }))
  expect(results).toMatchObject([{ status: 202 }, { status: 500, code: "internal" }, { status: 202 }])
  expect(JSON.stringify(results)).not.toContain("secret")
  expect(http.lines.some(({ level, text }) => level === "Error" && text.includes("a secret detail"))).toBe(true)
})

it("survives a message that is nested as deeply as a body can hold", async () => {
  await using http = await startHttp()
  const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`
  const body = `{"messages":[{"to":{"all":true},"event":"e","data":${deep}},${deep}]}`
  const results = await resultsOf(await http.post("/v1/messages/batch", body, { "Idempotency-Key": "deep" }))
  expect(results).toMatchObject([
    { status: 422, code: "event_too_deep" },
    { status: 422, code: "invalid_request" },
  ])
})
