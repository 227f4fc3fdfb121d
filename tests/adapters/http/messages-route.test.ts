import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { NodeCommands } from "#application/ports/node-commands.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { jsonOf, PUSH, problemOf, startHttp } from "./http-fixture.ts"

it("accepts a push to a room with history and answers with its id and offset", async () => {
  await using http = await startHttp()
  await http.watch("news:a")
  const response = await http.post("/v1/messages", PUSH)
  expect(response.status).toBe(202)
  const answer = await jsonOf(response)
  expect(answer).toEqual({ id: expect.any(String), offset: expect.any(String) })
  expect(http.delivered).toMatchObject([
    { room: "news:a", message: { id: answer["id"], event: "greet", data: '{"text":"hi"}' } },
  ])
  expect(http.recorder.calls.messageReceived).toEqual([["backend"]])
})

it("answers a push that is not logged without an offset", async () => {
  await using http = await startHttp()
  for (const push of [
    { ...PUSH, to: { rooms: ["plain:a"] } },
    { ...PUSH, volatile: true },
  ]) {
    const response = await http.post("/v1/messages", push)
    expect(response.status).toBe(202)
    expect(await jsonOf(response)).toEqual({ id: expect.any(String) })
  }
})

it("takes a push to users, connections and everybody, with exceptions and a time to live", async () => {
  await using http = await startHttp()
  await http.watch("$all", "$user:ada")
  const response = await http.post("/v1/messages", {
    to: { users: ["ada"], connections: ["abc-1"], all: true, except: { users: ["bob"], rooms: ["news:x"] } },
    event: "greet",
    data: null,
    ttlMs: 5_000,
  })
  expect(response.status).toBe(202)
  expect(http.delivered[0]?.message).toMatchObject({ data: "null", except: { users: ["bob"], rooms: ["news:x"] } })
})

it("gathers acknowledgements and says who is missing", async () => {
  await using http = await startHttp()
  await http.runtime.runPromise(
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      const commands = yield* NodeCommands
      for (const connectionId of ["one", "two"]) {
        const entry = { connectionId, userId: "ada", node: "test-node", transport: "websocket", address: "", rooms: [] }
        yield* directory.register({ ...entry, connectedAt: 0 })
        yield* directory.join(connectionId, "news:a" as RoomName)
      }
      commands.serve(() =>
        Effect.succeed({
          kind: "answers" as const,
          responses: [{ connectionId: "one", userId: "ada", data: "ok" }],
          excepted: [],
        }),
      )
    }),
  )
  const response = await http.post("/v1/messages", { ...PUSH, ack: { timeoutMs: 1_000 } })
  expect(response.status).toBe(200)
  expect(await jsonOf(response)).toEqual({
    id: expect.any(String),
    responses: [{ connectionId: "one", userId: "ada", data: "ok" }],
    missing: ["two"],
  })
})

it("names every fault of a body with its pointer, what was found and what is allowed", async () => {
  await using http = await startHttp()
  const response = await http.post("/v1/messages", {
    to: { rooms: "news:a", everyone: true },
    event: 7,
    data: null,
    volatile: "yes",
    ack: { timeoutMs: 60_001 },
    extra: 1,
  })
  const { errors } = await problemOf(response, "invalid_request")
  expect(errors).toEqual([
    { pointer: "/to/rooms", detail: "expected: array, found string" },
    { pointer: "/to/everyone", detail: "unknown; known are rooms, users, connections, all, except" },
    { pointer: "/event", detail: "expected: string, found number" },
    { pointer: "/volatile", detail: "expected: boolean, found string" },
    { pointer: "/ack/timeoutMs", detail: "at most 60000, found 60001" },
    { pointer: "/extra", detail: "unknown; known are to, event, data, volatile, ttlMs, ack" },
  ])
})

it("refuses __proto__ by name, beside the data and within it", async () => {
  await using http = await startHttp()
  const beside = await http.post(
    "/v1/messages",
    '{"to":{"all":true},"event":"e","data":0,"__proto__":{"volatile":true}}',
  )
  expect((await problemOf(beside, "invalid_request"))["errors"]).toMatchObject([{ pointer: "/__proto__" }])
  const inside = await http.post("/v1/messages", '{"to":{"all":true},"event":"e","data":{"__proto__":{"a":1}}}')
  expect((await problemOf(inside, "invalid_request"))["errors"]).toMatchObject([{ pointer: "/data/__proto__" }])
})

it("says what is missing", async () => {
  await using http = await startHttp()
  const { errors } = await problemOf(await http.post("/v1/messages", {}), "invalid_request")
  expect(errors).toEqual([
    { pointer: "/to", detail: "is missing, expected: object" },
    { pointer: "/event", detail: "is missing, expected: string" },
    { pointer: "/data", detail: "is missing, expected: any JSON" },
  ])
})

it.each([
  ["to a room without a rule", { to: { rooms: ["unruled"] } }, "unknown_room"],
  ["to nobody", { to: {} }, "invalid_request"],
  ["to the gateway's own room", { to: { rooms: ["$all"] } }, "invalid_request"],
  ["under a reserved name", { event: "room:join" }, "reserved_event"],
  ["that lives 0 ms", { ttlMs: 0 }, "invalid_request"],
  ["that lives half a ms", { ttlMs: 1.5 }, "invalid_request"],
  ["that waits 0 ms", { ack: { timeoutMs: 0 } }, "invalid_request"],
  ["that is too large", { data: "x".repeat(103_000) }, "payload_too_large"],
  ["that is too deep", { data: JSON.parse("[".repeat(70) + "]".repeat(70)) }, "event_too_deep"],
] as const)("refuses a push %s", async (_, change, code) => {
  await using http = await startHttp()
  await problemOf(await http.post("/v1/messages", { ...PUSH, ...change }), code)
  expect(http.recorder.calls.messageReceived).toEqual([])
})

it("answers 503 with Retry-After and an unknown outcome when the engine does not answer", async () => {
  await using http = await startHttp({
    engine: () => ({ publish: () => Effect.fail(new Refusal("engine_unavailable", "redis is away")) }),
  })
  const response = await http.post("/v1/messages", PUSH)
  const body = await problemOf(response, "engine_unavailable")
  expect(body["outcome"]).toBe("unknown")
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1)
})

it("does not call the outcome of a push unknown that was never tried", async () => {
  await using http = await startHttp({
    engine: () => ({ publish: () => Effect.fail(new Refusal("overloaded", "full", { retryAfterMs: 4_200 })) }),
  })
  const response = await http.post("/v1/messages", PUSH)
  expect(await problemOf(response, "overloaded")).not.toHaveProperty("outcome")
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(5)
})

it("shows nothing of a defect, logs it with the request's id, and counts it", async () => {
  await using http = await startHttp({ engine: () => ({ publish: () => Effect.die(new Error("a secret detail")) }) })
  const response = await http.post("/v1/messages", PUSH, { "X-Request-Id": "req-1" })
  const text = JSON.stringify(await problemOf(response, "internal"))
  expect(text).not.toContain("secret")
  const logged = http.lines.find((line) => line.level === "Error")
  expect(logged?.text).toContain("a secret detail")
  expect(logged?.annotations).toMatchObject({ requestId: "req-1" })
  expect(http.recorder.calls.errorAnswered).toEqual([["internal", "http"]])
})

it("carries a push on when its caller goes away", async () => {
  const gone = new AbortController()
  let published = 0
  await using http = await startHttp({
    engine: (real) => ({
      publish: (publish) =>
        Effect.sync(() => gone.abort()).pipe(
          Effect.andThen(Effect.sleep(10)),
          Effect.andThen(real.publish(publish)),
          Effect.tap(() => Effect.sync(() => published++)),
        ),
    }),
  })
  await http.call("POST", "/v1/messages", {
    body: JSON.stringify(PUSH),
    headers: { "Content-Type": "application/json" },
    signal: gone.signal,
  })
  expect(published).toBe(1)
})
