import { expect, it } from "vitest"
import { idempotencyKey } from "#adapters/http/idempotency-key.ts"
import { jsonOf, PUSH, problemOf, startHttp } from "./http-fixture.ts"

const key = (value: string): Record<string, string> => ({ "Idempotency-Key": value })

it("answers a repeated key with the first id and offset and delivers nothing", async () => {
  await using http = await startHttp()
  await http.watch("news:a")
  const first = await jsonOf(await http.post("/v1/messages", PUSH, key("order-1")))
  const again = await http.post("/v1/messages", PUSH, key("order-1"))
  expect([again.status, await jsonOf(again)]).toEqual([202, first])
  expect(http.delivered).toHaveLength(1)
})

it("refuses a key that comes with another body", async () => {
  await using http = await startHttp()
  await http.post("/v1/messages", PUSH, key("order-1"))
  await problemOf(await http.post("/v1/messages", { ...PUSH, data: 2 }, key("order-1")), "idempotency_key_reused")
})

it("keeps the keys of one credential from another's", async () => {
  await using http = await startHttp()
  await http.watch("news:a")
  await http.post("/v1/messages", PUSH, key("order-1"))
  const other = { ...key("order-1"), Authorization: "Bearer api.publish.sig" }
  expect((await http.post("/v1/messages", { ...PUSH, data: 2 }, other)).status).toBe(202)
  expect(http.delivered).toHaveLength(2)
})

it.each([
  ["an empty one", ""],
  ["256 characters", "k".repeat(256)],
  ["a space", "a b"],
  ["a letter that is not ASCII", "\u00e9"],
])("refuses a key of %s", async (_, value) => {
  await using http = await startHttp()
  for (const path of ["/v1/messages", "/v1/messages/batch"]) {
    const body = path.endsWith("batch") ? { messages: [PUSH] } : PUSH
    const { detail } = await problemOf(await http.post(path, body, key(value)), "invalid_request")
    expect(detail).toContain("Idempotency-Key")
  }
  expect(http.recorder.calls.messageReceived).toEqual([])
})

it("takes a key of 255 visible characters", async () => {
  await using http = await startHttp()
  expect((await http.post("/v1/messages", PUSH, key("~".repeat(255)))).status).toBe(202)
})

it("makes no two credentials, keys or items meet", () => {
  const keys = [
    idempotencyKey("a", "b", "", undefined),
    idempotencyKey("a", "b", "", 0),
    idempotencyKey("a", "0:b", "", undefined),
    idempotencyKey("a:b", "", "", undefined),
    idempotencyKey("a/0", "b", "", undefined),
    idempotencyKey("a/0:b", "", "", undefined),
  ]
  expect(new Set(keys.map((made) => made.key)).size).toBe(keys.length)
})
