import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import { compileEndpoints, EndpointsNotValid, secretFault } from "#adapters/webhook/endpoints.ts"
import { webhookBackend } from "#adapters/webhook/webhook-backend.ts"
import { Backend } from "#application/ports/backend.ts"
import { silentMetrics } from "#tests/support/silent-metrics.ts"
import { reply, SECRET, startBackend } from "./local-backend.ts"
import { openBackend } from "./open-backend.ts"

const endpointOf = (events: readonly string[]) => {
  const compiled = compileEndpoints([{ url: "http://127.0.0.1:1/", secret: SECRET, events }])
  if (compiled instanceof EndpointsNotValid || compiled[0] === undefined) throw compiled
  return compiled[0]
}

describe("an endpoint's events", () => {
  it("are patterns over the kind", () => {
    const { hears } = endpointOf(["room.*", "presence.joined"])
    expect(hears("room.join", undefined)).toBe(true)
    expect(hears("room.publish", undefined)).toBe(true)
    expect(hears("presence.joined", undefined)).toBe(true)
    expect(hears("presence.left", undefined)).toBe(false)
    expect(hears("connection.disconnect", undefined)).toBe(false)
  })

  it("are patterns over the event's name, not the kind, for message.received", () => {
    const { hears } = endpointOf(["order.*", "message.received"])
    expect(hears("message.received", "order.create")).toBe(true)
    expect(hears("message.received", "track.move")).toBe(false)
    expect(hears("message.received", "message.received")).toBe(true)
    expect(hears("message.received", undefined)).toBe(false)
    expect(endpointOf(["message.*"]).hears("message.received", "order.create")).toBe(false)
    expect(endpointOf(["*"]).hears("message.received", "order.create")).toBe(true)
  })

  it.each([
    [["*"], false],
    [["**"], false],
    [["*", "order.*"], false],
    [["connection.connect"], true],
    [["connection.*"], true],
    [["*connect"], true],
    [["*", "connection.connect"], true],
    [["connection.disconnect"], false],
  ])("%j: connection.connect is asked of it: %s", (events, asked) => {
    expect(endpointOf(events).hears("connection.connect", undefined)).toBe(asked)
  })

  it("decide who is asked: the first endpoint that matches, and nobody where none does", async () => {
    await using first = await startBackend()
    await using second = await startBackend()
    first.answer = reply(200, '"first"')
    second.answer = reply(200, '"second"')
    await using backend = await openBackend({
      endpoints: [
        { url: first.url, secret: SECRET, events: ["order.*"] },
        { url: second.url, secret: SECRET, events: ["order.*", "room.join"] },
      ],
    })
    expect(await backend.ask("message.received", { event: "order.create" })).toEqual({ data: "first" })
    expect(await backend.ask("room.join")).toEqual({ data: "second" })
    expect(await backend.ask("message.received", { event: "other" })).toMatchObject({
      error: { code: "backend_unavailable" },
    })
    expect([first.received.length, second.received.length]).toEqual([1, 1])
    expect(backend.port.hears("message.received", "order.create")).toBe(true)
    expect(backend.port.hears("message.received", "other")).toBe(false)
    expect(backend.port.hears("room.join")).toBe(true)
    expect(backend.port.hears("connection.connect")).toBe(false)
  })
})

describe("an endpoint that cannot work", () => {
  it("stops the start: every fault of every endpoint is listed, and no secret is shown", async () => {
    const exit = await Effect.runPromiseExit(
      Effect.asVoid(Backend).pipe(
        Effect.provide(
          webhookBackend({
            endpoints: [
              { url: SECRET.replace("whsec_", ""), secret: "whsec_not*base64", events: [] },
              { url: "https://ann:hidden-word@backend.example/", secret: "", events: ["ok", ""], timeoutMs: 0 },
            ],
          }).pipe(Layer.provide(silentMetrics)),
        ),
      ),
    )
    if (!Exit.isFailure(exit) || exit.cause.reasons[0]?._tag !== "Fail") throw new Error("it started")
    const { error } = exit.cause.reasons[0]
    expect(error.faults.map(({ pointer }) => pointer)).toEqual([
      "/webhooks/endpoints/0/url",
      "/webhooks/endpoints/0/secret",
      "/webhooks/endpoints/0/events",
      "/webhooks/endpoints/1/url",
      "/webhooks/endpoints/1/secret",
      "/webhooks/endpoints/1/timeoutMs",
      "/webhooks/endpoints/1/events/1",
    ])
    expect(error.message).toContain("/webhooks/endpoints/0/url: an http: or https: URL is needed")
    for (const hidden of [SECRET.slice(6), "not*base64", "hidden-word"]) expect(error.message).not.toContain(hidden)
  })

  it("may be told apart by the strength of its secret", () => {
    expect(secretFault(SECRET, 24)).toBeUndefined()
    expect(secretFault(SECRET, 33)).toBe("a secret of at least 33 bytes is needed, found 32")
    expect(secretFault("whsec_c2VjcmV0", 24)).toBe("a secret of at least 24 bytes is needed, found 6")
  })
})
