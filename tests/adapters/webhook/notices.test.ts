import { describe, expect, it } from "vitest"
import { NOTICE_LANES } from "#adapters/webhook/endpoint-client.ts"
import { NoticeQueue } from "#adapters/webhook/notice-queue.ts"
import { type Received, reply, SECRET, startBackend, until } from "./local-backend.ts"
import { openBackend } from "./open-backend.ts"

const caller = (connectionId: string, room = "r1") => ({ connectionId, userId: "ann", room })
const told = (received: readonly Received[]) => received.map(({ type, data }) => [type, data["connectionId"]])

describe("a notice to the backend", () => {
  it("goes, signed, to every endpoint that matches, and to no other", async () => {
    await using first = await startBackend()
    await using second = await startBackend()
    await using third = await startBackend()
    await using backend = await openBackend({
      endpoints: [
        { url: first.url, secret: SECRET, events: ["*"] },
        { url: second.url, secret: SECRET, events: ["presence.joined"] },
        { url: third.url, secret: SECRET, events: ["connection.*"] },
      ],
    })
    backend.port.notify("presence.joined", { ...caller("c1"), info: { name: "Ann" } })
    await until("both were told", () => first.received.length === 1 && second.received.length === 1)
    for (const { received } of [first, second])
      expect(received).toMatchObject([
        {
          type: "presence.joined",
          signatureFault: undefined,
          data: { connectionId: "c1", userId: "ann", room: "r1", info: { name: "Ann" } },
        },
      ])
    await until("nothing is under way", () => backend.metrics.gauge("webhook_queue") === 0)
    expect(third.received).toEqual([])
    expect(backend.metrics.calls.backendCall).toEqual([
      ["presence.joined", "delivered", expect.any(Number)],
      ["presence.joined", "delivered", expect.any(Number)],
    ])
  })

  it("is tried again, with the same id and body and a new signature, until it is taken", async () => {
    await using server = await startBackend()
    await using backend = await openBackend({
      endpoints: [{ url: server.url, secret: SECRET, events: ["*"] }],
      retryMs: 10,
    })
    server.answer = (response, received, request) => {
      if (server.received.length === 1) request.socket.destroy()
      else reply(server.received.length === 2 ? 500 : 204)(response, received, request)
    }
    backend.port.notify("connection.disconnect", caller("c1"))
    await until("it was taken", () => server.received.length === 3)
    await until("nothing is under way", () => backend.metrics.gauge("webhook_queue") === 0)
    expect(new Set(server.received.map(({ id }) => id)).size).toBe(1)
    expect(new Set(server.received.map(({ timestamp }) => timestamp)).size).toBe(1)
    expect(server.received.map(({ signatureFault }) => signatureFault)).toEqual([undefined, undefined, undefined])
    expect(backend.metrics.calls.backendCall.map(([, outcome]) => outcome)).toEqual([
      "unreachable",
      "rejected",
      "delivered",
    ])
    expect(backend.logs.entries).toEqual([])
  })

  it("is given up after three tries, with a log that says which and why, and the next one is sent", async () => {
    await using server = await startBackend()
    await using backend = await openBackend({
      endpoints: [{ url: server.url, secret: SECRET, events: ["*"] }],
      retryMs: 5,
    })
    server.answer = (response, received, request) =>
      reply(received.type === "presence.joined" ? 410 : 200)(response, received, request)
    backend.port.notify("presence.joined", caller("c1"))
    backend.port.notify("presence.left", caller("c1"))
    await until("the second was taken", () => server.received.length === 4)
    expect(told(server.received)).toEqual([
      ["presence.joined", "c1"],
      ["presence.joined", "c1"],
      ["presence.joined", "c1"],
      ["presence.left", "c1"],
    ])
    expect(backend.logs.entries).toMatchObject([
      {
        level: "Warn",
        message: "a webhook was given up",
        annotations: {
          category: ["adapters", "webhook"],
          kind: "presence.joined",
          connectionId: "c1",
          webhookId: server.received[0]?.id,
          tries: 3,
          fault: "answered 410",
        },
      },
    ])
    expect(backend.metrics.hits).toEqual(["webhook_tries"])
  })

  it("waits for the one before it of its connection, and not for another connection's", async () => {
    await using server = await startBackend()
    await using backend = await openBackend({ endpoints: [{ url: server.url, secret: SECRET, events: ["*"] }] })
    let finish = (): void => {}
    server.answer = (response, received, request) => {
      if (received.data["connectionId"] === "c1" && received.type === "presence.joined")
        finish = () => reply(200)(response, received, request)
      else reply(200)(response, received, request)
    }
    backend.port.notify("presence.joined", caller("c1"))
    backend.port.notify("presence.left", caller("c1"))
    backend.port.notify("connection.disconnect", caller("c1"))
    backend.port.notify("presence.joined", caller("c2"))
    backend.port.notify("presence.left", caller("c2"))
    await until("c2's were sent", () => server.received.length === 3)
    expect(told(server.received)).toEqual([
      ["presence.joined", "c1"],
      ["presence.joined", "c2"],
      ["presence.left", "c2"],
    ])
    finish()
    await until("c1's were sent", () => server.received.length === 5)
    expect(told(server.received.slice(3))).toEqual([
      ["presence.left", "c1"],
      ["connection.disconnect", "c1"],
    ])
  })

  it("waits in a bounded queue: the oldest is dropped, counted and logged once", async () => {
    await using server = await startBackend()
    await using backend = await openBackend({
      endpoints: [{ url: server.url, secret: SECRET, events: ["*"] }],
      queue: 10,
    })
    const held: (() => void)[] = []
    server.answer = (response, received, request) => {
      held.push(() => reply(200)(response, received, request))
    }
    for (let i = 0; i < NOTICE_LANES; i++) backend.port.notify("presence.joined", caller(`busy${i}`))
    await until("every lane is busy", () => server.received.length === NOTICE_LANES)
    for (let i = 0; i < 15; i++) backend.port.notify("presence.joined", { ...caller(`c${i}`), userId: `u${i}` })
    expect(backend.metrics.gauge("webhook_queue")).toBe(10 + NOTICE_LANES)
    expect(backend.metrics.hits).toEqual(Array(5).fill("webhook_queue"))
    server.answer = reply(200)
    for (const finish of held) finish()
    await until("the others were sent", () => server.received.length === NOTICE_LANES + 10)
    expect(new Set(server.received.slice(NOTICE_LANES).map(({ data }) => data["connectionId"]))).toEqual(
      new Set(["c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14"]),
    )
    expect(backend.logs.entries.map(({ message }) => message)).toEqual([
      "webhooks were dropped: the queue is full, or a user's share of it",
    ])
  })

  it("leaves room for questions: a backend that takes no notices is still asked", async () => {
    await using server = await startBackend()
    await using backend = await openBackend({
      endpoints: [{ url: server.url, secret: SECRET, events: ["*"] }],
      concurrency: 1,
      drainMs: 10,
    })
    server.answer = (response, received, request) => {
      if (received.type === "room.join") reply(200, "1")(response, received, request)
    }
    for (let i = 0; i < 3 * NOTICE_LANES; i++) backend.port.notify("presence.joined", caller(`c${i}`))
    await until("every lane is busy", () => server.received.length === NOTICE_LANES)
    expect(await backend.ask("room.join")).toEqual({ data: 1 })
  })

  it("is still sent when the gateway stops, within a bounded time", async () => {
    await using server = await startBackend()
    const backend = await openBackend({
      endpoints: [{ url: server.url, secret: SECRET, events: ["*"] }],
      retryMs: 5,
    })
    server.answer = (response, received, request) =>
      reply(server.received.length <= 5 ? 503 : 200)(response, received, request)
    for (let i = 0; i < 100; i++) backend.port.notify("connection.disconnect", caller(`c${i}`))
    await backend.close()
    expect(new Set(server.received.map(({ data }) => data["connectionId"])).size).toBe(100)
    expect(backend.logs.entries).toEqual([])
  })

  it("that is not taken in time at the end is lost, and the log says how many", async () => {
    await using server = await startBackend()
    server.answer = () => {}
    const backend = await openBackend({
      endpoints: [{ url: server.url, secret: SECRET, events: ["*"] }],
      drainMs: 30,
    })
    for (let i = 0; i < 20; i++) backend.port.notify("connection.disconnect", caller(`c${i}`))
    await until("some are under way", () => server.received.length === NOTICE_LANES)
    await backend.close()
    expect(backend.logs.entries).toMatchObject([{ level: "Warn", annotations: { lost: 20, drainMs: 30 } }])
    backend.port.notify("connection.disconnect", caller("later"))
    expect(backend.metrics.hits).toEqual(["webhook_closed"])
  })
})

describe("the queue of notices", () => {
  const notice = (connectionId: string, id: string, userId = connectionId) =>
    ({ id, kind: "presence.joined", connectionId, userId, body: "{}" }) as const

  it("gives out one of a connection at a time, in order, the oldest first", () => {
    const queue = new NoticeQueue(10)
    for (const [connection, id] of [
      ["a", "a1"],
      ["a", "a2"],
      ["b", "b1"],
      ["a", "a3"],
    ] as const)
      queue.add(notice(connection, id))
    expect(queue.take()?.id).toBe("a1")
    expect(queue.take()?.id).toBe("b1")
    expect(queue.take()).toBeUndefined()
    queue.done(notice("a", "a1"))
    expect(queue.take()?.id).toBe("a2")
    expect(queue.take()).toBeUndefined()
    queue.done(notice("a", "a2"))
    expect(queue.take()?.id).toBe("a3")
    expect(queue.size).toBe(0)
  })

  it("drops its oldest for one more than it may hold, and says which", () => {
    const queue = new NoticeQueue(2)
    expect(queue.add(notice("a", "1"))).toBeUndefined()
    expect(queue.add(notice("b", "2"))).toBeUndefined()
    expect(queue.add(notice("c", "3"))?.id).toBe("1")
    expect(queue.size).toBe(2)
  })

  it("loses nobody else's notice to a user that floods it over many connections", () => {
    const queue = new NoticeQueue(10)
    queue.add(notice("b", "b1"))
    for (let i = 0; i < 100; i++) expect(queue.add(notice(`a${i}`, `a${i}`, "a"))?.userId ?? "a").toBe("a")
    expect(queue.size).toBe(6)
    for (const user of ["c", "d", "e"]) expect(queue.add(notice(user, user))).toBeUndefined()
    const given = Array.from({ length: 9 }, () => queue.take()?.id)
    expect(given).toEqual(["b1", "a95", "a96", "a97", "a98", "a99", "c", "d", "e"])
    expect(queue.take()).toBeUndefined()
    for (let i = 0; i < 5; i++) expect(queue.add(notice(`z${i}`, `z${i}`, "a"))).toBeUndefined()
  })
})
