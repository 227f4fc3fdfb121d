import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { type Answer, type Backend, startBackend, WEBHOOK_SECRET } from "#tests/support/backend.ts"
import { closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startGateway, TEST_CONFIG, token } from "#tests/support/gateway.ts"
import { until } from "#tests/support/until.ts"

let backend: Backend
let gateway: Gateway
beforeAll(async () => {
  backend = await startBackend()
  gateway = await startGateway({
    rooms: [...(TEST_CONFIG.rooms ?? []), { match: "watched:*", join: "anyone", publish: "members", presence: true }],
    presence: { grace: "100ms" },
    events: [{ match: "order.*", forward: "rpc", timeout: "700ms" }],
    webhooks: {
      endpoints: [
        { url: backend.url, secret: WEBHOOK_SECRET, events: ["connection.*", "room.*", "order.*", "presence.*"] },
      ],
    },
  })
})
beforeEach(() => {
  backend.hooks.length = 0
  backend.answer = () => ({ status: 204 })
})
afterEach(closeClients)
afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

const of = (type: string) => backend.hooks.filter((hook) => hook.type === type)

describe("the connect hook", () => {
  it("lets in, adds rooms and info, is not asked at a recovery, and its rooms and info last", async () => {
    backend.answer = ({ type }) =>
      type === "connection.connect"
        ? { status: 200, body: { rooms: ["watched:lobby", "no such room"], info: { name: "Ann" } } }
        : { status: 204 }
    const ann = await connectClient(gateway, "ann")
    expect(ann.ready[0]?.rooms).toEqual(["watched:lobby"])
    expect(of("connection.connect")[0]?.data).toEqual({ connectionId: ann.socket.id, userId: "ann" })
    ann.drop()
    await until("it to be back", () => ann.ready.length === 2)
    const { members } = await ann.ask("room:members", { room: "watched:lobby" })
    expect(members).toEqual([{ userId: "ann", connectionId: ann.socket.id, info: { name: "Ann" } }])
    expect(of("connection.connect")).toHaveLength(1)
    expect(backend.badSignatures()).toBe(0)
  })

  it("adds rooms that no client may ask for, and a new token does not take them away, nor a recovery", async () => {
    backend.answer = ({ type }) =>
      type === "connection.connect" ? { status: 200, body: { rooms: ["given:seat"] } } : { status: 204 }
    const gus = await connectClient(gateway, "gus")
    expect(gus.ready[0]?.rooms).toEqual(["given:seat"])
    const refreshed = await gus.ask("session:refresh", { token: await token("gus") })
    expect(refreshed).toMatchObject({ ok: true, rooms: ["given:seat"] })
    gus.drop()
    await until("it to be back", () => gus.ready.length === 2)
    expect(gus.ready[1]).toMatchObject({ recovered: true, rooms: ["given:seat"] })
  })

  it("that refuses keeps the client away, in the backend's words", async () => {
    backend.answer = () => ({
      status: 403,
      body: { code: "no_seat", message: "all seats are taken", details: { seats: 3 } },
    })
    const bob = await connectClient(gateway, "bob", { wait: false })
    await until("the refusal", () => bob.errors.length === 1)
    expect(bob.errors[0]).toMatchObject({
      message: "all seats are taken",
      data: { code: "no_seat", details: { seats: 3 } },
    })
    expect(bob.socket.active).toBe(false)
  })

  it("that is broken lets nobody in, and who waits comes in by itself when it works again", async () => {
    backend.answer = () => ({ status: 500 })
    const cat = await connectClient(gateway, "cat", { wait: false })
    await until("a question", () => of("connection.connect").length > 0)
    expect(cat.ready).toEqual([])
    backend.answer = () => ({ status: 204 })
    await until("it to be in", () => cat.ready.length === 1, 25_000)
    expect(cat.errors).toEqual([])
  }, 40_000)
})

describe("room.join and room.publish", () => {
  it("are asked where the rule says so, and answer the client", async () => {
    backend.answer = ({ data, type }) =>
      type === "room.join" && data.room === "asked:closed"
        ? { status: 403, body: { code: "members_only", message: "not yours" } }
        : type === "room.publish" && data.payload.text === "bad"
          ? { status: 422, body: { code: "bad_words", message: "no" } }
          : { status: 204 }
    const dan = await connectClient(gateway, "dan", { auth: { token: await token("dan", { info: { n: 1 } }) } })
    expect(await dan.ask("room:join", { room: "asked:closed" })).toEqual({
      ok: false,
      error: { code: "members_only", message: "not yours" },
    })
    expect(await dan.ask("room:join", { room: "asked:open" })).toMatchObject({ ok: true })
    expect(of("room.join")[1]?.data).toEqual({
      connectionId: dan.socket.id,
      userId: "dan",
      room: "asked:open",
      info: { n: 1 },
    })
    expect(await dan.ask("room:publish", { room: "asked:open", event: "say", data: { text: "bad" } })).toMatchObject({
      error: { code: "bad_words" },
    })
    expect(await dan.ask("room:publish", { room: "asked:open", event: "say", data: { text: "good" } })).toMatchObject({
      ok: true,
    })
    await until("the message", () => dan.received.length === 1)
    expect(dan.received[0]?.data).toEqual({ text: "good" })
  })
})

describe("an event that a rule forwards", () => {
  it("is acknowledged with the backend's answer, in its order, or in its words", async () => {
    const answers: Record<string, Answer> = {
      "order.cancel": { status: 409, body: { code: "sold_out", message: "none left" } },
    }
    backend.answer = ({ data }) =>
      data.event === "order.place"
        ? { status: 200, body: { orderId: data.payload.n } }
        : (answers[data.event] ?? { status: 204 })
    const eve = await connectClient(gateway, "eve")
    expect(await Promise.all([1, 2, 3].map((n) => eve.ask("order.place", { n })))).toEqual(
      [1, 2, 3].map((orderId) => ({ ok: true, data: { orderId } })),
    )
    expect(await eve.ask("order.cancel", {})).toEqual({ ok: false, error: { code: "sold_out", message: "none left" } })
    expect(of("message.received")[0]?.data).toEqual({
      connectionId: eve.socket.id,
      userId: "eve",
      event: "order.place",
      payload: { n: 1 },
    })
  })

  it.each([
    ["hangs", () => () => undefined],
    ["fails", () => ({ status: 500 })],
    ["answers no JSON", () => (response: import("node:http").ServerResponse) => response.writeHead(200).end("oops")],
    [
      "redirects",
      () => (response: import("node:http").ServerResponse) =>
        response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    ],
    ["cuts the connection", () => (response: import("node:http").ServerResponse) => response.destroy()],
  ])(
    "is backend_unavailable where the backend %s, and says nothing of how",
    async (_, answer) => {
      backend.answer = answer
      const fay = await connectClient(gateway, "fay", { wait: false })
      backend.answer = ({ type }) => (type === "message.received" ? answer() : { status: 204 })
      await until("it to be in", () => fay.ready.length === 1, 25_000)
      const { error, ok } = await fay.ask("order.place", {})
      expect([ok, error.code]).toEqual([false, "backend_unavailable"])
      expect(JSON.stringify(error)).not.toMatch(/500|302|oops|ECONN|127\.0\.0\.1/)
    },
    40_000,
  )
})

describe("notices", () => {
  it("tell of who came, left and disconnected", async () => {
    const gil = await connectClient(gateway, "gil", { rooms: ["watched:gil"] })
    gil.socket.disconnect()
    const about = (type: string) =>
      of(type)
        .filter(({ data }) => data.userId === "gil")
        .map(({ data }) => data)
    await until("all three", () => about("connection.disconnect").length === 1 && about("presence.left").length === 1)
    const who = { connectionId: about("presence.joined")[0]?.connectionId, userId: "gil" }
    const presence = [{ ...who, room: "watched:gil" }]
    expect([about("presence.joined"), about("presence.left"), about("connection.disconnect")]).toEqual([
      presence,
      presence,
      [who],
    ])
  })
})
