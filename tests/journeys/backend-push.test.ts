import { randomUUID } from "node:crypto"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeClients, connectClient } from "#tests/support/client.ts"
import { secrets } from "#tests/support/cluster.ts"
import { type Gateway, startGateway } from "#tests/support/gateway.ts"
import { settle, until } from "#tests/support/until.ts"

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(closeClients)
afterAll(() => gateway.stop())

let names = 0
const room = (): string => `open:push-${++names}`

describe("a push with ack", () => {
  it("to a room of three clients, one of which never answers, gives two answers and names the one that is missing", async () => {
    const r = room()
    const [ann, bob, cat] = await Promise.all(
      ["ann", "bob", "cat"].map((name) => connectClient(gateway, name, { rooms: [r] })),
    )
    ann?.socket.on("ask", (data, _meta, ack) => ack({ heard: data }))
    bob?.socket.on("ask", (_data, _meta, ack) => ack("yes"))
    cat?.socket.on("ask", () => undefined)
    const { body, status } = await gateway.push({ rooms: [r] }, "ask", "who is there", { ack: { timeoutMs: 800 } })
    expect(status).toBe(200)
    const answers = body.responses.map(({ data, userId }: { data: unknown; userId: string }) => [userId, data]).sort()
    expect(answers).toEqual([
      ["ann", { heard: "who is there" }],
      ["bob", "yes"],
    ])
    expect(body.missing).toEqual([cat?.socket.id])
    expect(typeof ann?.received[0]?.position).not.toBe("string")
  })

  it("does not wait for a client that goes away meanwhile, and a repeat of its key joins the wait", async () => {
    const r = room()
    const gone = await connectClient(gateway, "gone", { rooms: [r] })
    const here = await connectClient(gateway, "here", { rooms: [r] })
    let asked = 0
    here.socket.on("ask", (_data, _meta, ack) => ack(++asked))
    gone.socket.on("ask", () => gone.socket.disconnect())
    const headers = { "idempotency-key": randomUUID() }
    const began = Date.now()
    const push = () => gateway.push({ rooms: [r] }, "ask", 1, { ack: { timeoutMs: 50_000 } }, headers)
    const [first, second] = await Promise.all([push(), push()])
    expect(Date.now() - began).toBeLessThan(40_000)
    expect([first?.body.responses[0].data, asked]).toEqual([1, 1])
    expect(second?.body).toEqual(first?.body)
    expect((await push()).body).toEqual(first?.body)
    expect(await gateway.push({ rooms: [r] }, "ask", 1, {}, headers)).toMatchObject({
      status: 422,
      body: { code: "idempotency_key_reused" },
    })
  })
})

describe("an idempotency key", () => {
  it("used twice, and many times at once, delivers once and answers the same; another body is refused", async () => {
    const r = room()
    const client = await connectClient(gateway, "once", { rooms: [r] })
    const headers = { "idempotency-key": randomUUID() }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => gateway.push({ rooms: [r] }, "e", "once", {}, headers)),
    )
    answers.push(await gateway.push({ rooms: [r] }, "e", "once", {}, headers))
    expect(new Set(answers.map(({ body, status }) => `${status} ${body.id} ${body.offset}`)).size).toBe(1)
    expect(answers[0]?.status).toBe(202)
    expect(await gateway.push({ rooms: [r] }, "e", "other", {}, headers)).toMatchObject({
      status: 422,
      body: { code: "idempotency_key_reused" },
    })
    await settle()
    expect(client.received.map(({ data }) => data)).toEqual(["once"])
  })

  it("makes each item of a batch repeatable, and one bad item fails alone", async () => {
    const r = room()
    const client = await connectClient(gateway, "batch", { rooms: [r] })
    const headers = { "idempotency-key": randomUUID() }
    const messages = [
      { to: { rooms: [r] }, event: "e", data: 1 },
      { to: { rooms: ["nowhere"] }, event: "e", data: 2 },
      { to: { rooms: [r] }, event: "e", data: 3 },
    ]
    const first = await gateway.call("POST", "/v1/messages/batch", { messages }, headers)
    const second = await gateway.call("POST", "/v1/messages/batch", { messages }, headers)
    expect(first.body.results.map(({ code, status }: { code?: string; status: number }) => [status, code])).toEqual([
      [202, undefined],
      [422, "unknown_room"],
      [202, undefined],
    ])
    expect(second.body).toEqual(first.body)
    await settle()
    expect(client.received.map(({ data }) => data)).toEqual([1, 3])
  })
})

describe("the backend on a client's behalf", () => {
  it("joins it to a room that only the API joins, pushes, lets it leave, and disconnects it for good", async () => {
    const client = await connectClient(gateway, "led")
    const path = `/v1/users/led/rooms/${encodeURIComponent("given:vip")}`
    expect((await gateway.call("PUT", path)).status).toBe(200)
    await gateway.push({ rooms: ["given:vip"] }, "e", 1)
    await until("the message", () => client.received.length === 1)
    expect((await gateway.call("GET", `/v1/connections/${client.socket.id}`)).body).toMatchObject({
      userId: "led",
      rooms: ["given:vip"],
      transport: "websocket",
    })
    expect((await gateway.call("DELETE", path)).status).toBe(200)
    await gateway.push({ rooms: ["given:vip"] }, "e", 2)
    await gateway.push({ users: ["led"] }, "e", 3)
    await until("the last", () => client.received.length === 2)
    expect(client.received.map(({ data }) => data)).toEqual([1, 3])
    expect((await gateway.call("DELETE", "/v1/users/led/connections")).body).toEqual({ disconnected: 1 })
    await until("its end", () => client.disconnects.length === 1)
    expect([client.closings, client.socket.active]).toMatchObject([[{ code: "disconnected", reconnect: false }], false])
    expect((await gateway.call("GET", "/v1/users/led")).body).toMatchObject({
      userId: "led",
      online: false,
      connections: [],
    })
    const again = await connectClient(gateway, "led", { auth: { ...secrets(client) } })
    expect(again.ready[0]).toMatchObject({ recovered: false, rooms: [] })
  })

  it("keeps a room that the API gave through a recovery", async () => {
    const client = await connectClient(gateway, "kept")
    await gateway.call("PUT", `/v1/connections/${client.socket.id}/rooms/${encodeURIComponent("given:kept")}`)
    client.drop()
    await gateway.push({ rooms: ["given:kept"] }, "e", "missed")
    await until("the message", () => client.received.length === 1)
    expect([client.recovered, client.ready[1]?.rooms]).toEqual([[false, true], ["given:kept"]])
  })
})
