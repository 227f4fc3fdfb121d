import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { until } from "#tests/support/until.ts"

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(closeClients)
afterAll(() => gateway.stop())

describe("a push", () => {
  it("reaches a stock client in the room, with data, meta and position", async () => {
    const client = await connectClient(gateway, "ada", { rooms: ["open:a"] })
    const answer = await gateway.push({ rooms: ["open:a"] }, "news", { n: 1 })
    expect(answer.status).toBe(202)
    await until("the message", () => client.received.length > 0)
    const [message] = client.received
    expect(message).toMatchObject({
      event: "news",
      data: { n: 1 },
      meta: { id: answer.body.id, room: "open:a", offset: answer.body.offset },
    })
    expect(typeof message?.position).toBe("string")
  })

  it.each(["websocket", "polling"])("reaches users, connections and everybody by %s", async (transport) => {
    const client = await connectClient(gateway, "bo", { transports: [transport] })
    await gateway.push({ users: ["bo"] }, "user", 1)
    await gateway.push({ connections: [client.socket.id] }, "connection", 2)
    await gateway.push({ all: true }, "all", 3)
    await until("three messages", () => client.received.length === 3)
    expect(client.received.map(({ event, data, position }) => [event, data, typeof position])).toEqual([
      ["user", 1, "string"],
      ["connection", 2, "undefined"],
      ["all", 3, "undefined"],
    ])
  })

  it("comes once to who is in several of its rooms, and not to who is excepted", async () => {
    const both = await connectClient(gateway, "cy", { rooms: ["plain:a", "open:b"] })
    const out = await connectClient(gateway, "di", { rooms: ["plain:a", "open:b"] })
    await gateway.push({ rooms: ["plain:a", "open:b"], users: ["cy"], except: { users: ["di"] } }, "once", 1)
    await gateway.push({ users: ["di", "cy"] }, "end", 2)
    await until("the end at both", () => both.received.at(-1)?.event === "end" && out.received.at(-1)?.event === "end")
    expect(both.received.map(({ event, meta }) => [event, meta.room])).toEqual([
      ["once", "open:b"],
      ["end", undefined],
    ])
    expect(out.received.map(({ event }) => event)).toEqual(["end"])
  })

  it("gives a client that asked for no meta its data alone", async () => {
    const client = await connectClient(gateway, "ed", { rooms: ["open:a"], auth: { meta: false } })
    await gateway.push({ rooms: ["open:a"] }, "bare", [1])
    await until("the message", () => client.received.length > 0)
    expect(client.received[0]).toMatchObject({ data: [1], meta: undefined, position: undefined })
    expect(client.ready[0]).not.toHaveProperty("resume")
  })
})

it("a client that changes to WebSocket once it is in is listed with it", async () => {
  const client = await connectClient(gateway, "upgrading", { transports: ["polling", "websocket"] })
  await until("its transport to be known", async () => {
    const { body } = await gateway.call("GET", `/v1/connections/${client.socket.id}`)
    return body.transport === "websocket"
  })
})

describe("a client's event", () => {
  it("publishes to a room that it is in, by the room's rule", async () => {
    const sender = await connectClient(gateway, "fe", { rooms: ["open:c"] })
    const other = await connectClient(gateway, "gi", { rooms: ["open:c"] })
    const answer = await sender.ask("room:publish", { room: "open:c", event: "hi", data: { text: "x" }, echo: false })
    expect(answer).toMatchObject({ ok: true, id: expect.any(String), offset: expect.any(String) })
    await until("the message", () => other.received.length > 0)
    expect(other.received[0]).toMatchObject({
      event: "hi",
      data: { text: "x" },
      meta: { sender: "fe", room: "open:c" },
    })
    expect(sender.received).toEqual([])
    const stranger = await connectClient(gateway, "ha")
    expect(await stranger.ask("room:publish", { room: "open:c", event: "hi", data: 1 })).toMatchObject({
      ok: false,
      error: { code: "not_a_member" },
    })
  })

  it("is refused with the error's code where no rule, no right and no handler is there", async () => {
    const client = await connectClient(gateway, "io")
    const codes = await Promise.all([
      client.ask("room:join", { room: "nowhere" }),
      client.ask("room:join", { room: "token:a" }),
      client.ask("room:join", { room: "given:a" }),
      client.ask("room:join", { room: "$user:ada" }),
      client.ask("shout", { text: "x" }),
      client.ask("room:nonsense", {}),
    ])
    expect(codes.map(({ error }) => error.code)).toEqual([
      "unknown_room",
      "not_allowed",
      "not_allowed",
      "invalid_request",
      "unknown_event",
      "reserved_event",
    ])
  })

  it("cannot close a room's stock clients, again at each replay, by a name that Socket.IO keeps to itself", async () => {
    const sender = await connectClient(gateway, "la", { rooms: ["open:poison"] })
    const victim = await connectClient(gateway, "mo", { rooms: ["open:poison"] })
    for (const event of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]) {
      expect(await sender.ask("room:publish", { room: "open:poison", event, data: 1 })).toMatchObject({
        error: { code: "reserved_event" },
      })
      expect(await gateway.push({ rooms: ["open:poison"] }, event, 1)).toMatchObject({
        status: 422,
        body: { code: "reserved_event", errors: [{ pointer: "/event" }] },
      })
    }
    await gateway.push({ rooms: ["open:poison"] }, "end", 1)
    await until("the end", () => victim.received.length > 0)
    expect(victim.disconnects).toEqual([])
  })

  it("joins what its token's claim grants", async () => {
    const client = await connectClient(gateway, "jo", {
      auth: { token: await token("jo", { rooms: ["token:*"], publish: ["token:a"] }) },
    })
    expect(await client.ask("room:join", { room: "token:a" })).toMatchObject({ ok: true, room: "token:a" })
    expect(await client.ask("room:publish", { room: "token:a", event: "e", data: 1 })).toMatchObject({ ok: true })
    expect(await client.ask("room:publish", { room: "token:b", event: "e", data: 1 })).toMatchObject({
      error: { code: "not_allowed" },
    })
  })
})

describe("a token", () => {
  it.each([
    ["missing", async () => undefined, "unauthorized"],
    ["of another secret", () => token("kim", {}, "another-secret-another-secret-123"), "unauthorized"],
    ["expired", () => token("kim", { expiresInSeconds: -60 }), "token_expired"],
  ])("that is %s is refused, and the client stays away", async (_, make, code) => {
    const client = await connectClient(gateway, "kim", { auth: { token: await make() }, wait: false })
    await until("the refusal", () => client.errors.length > 0)
    expect(client.errors[0]?.data?.code).toBe(code)
    expect(client.socket.active).toBe(false)
  })
})
