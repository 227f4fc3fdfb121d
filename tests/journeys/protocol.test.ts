import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type Client, closeClients, connectClient, connected } from "#tests/support/client.ts"
import { comeBack, STAYS_AWAY, secrets } from "#tests/support/cluster.ts"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { settle, until } from "#tests/support/until.ts"

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway({
    presence: { grace: "2s" },
    limits: { connectionsPerUser: 3, roomsPerConnection: 4, eventsPerSecond: 50 },
  })
})
afterEach(closeClients)
afterAll(() => gateway.stop())

let names = 0
const room = (kind: string): string => `${kind}:protocol-${++names}`
const presence = (client: Client) =>
  client.received.filter(({ event }) => event.startsWith("room:")).map(({ data, event }) => [event, data.userId])

describe("presence", () => {
  it("tells members who comes and goes, lists them, and says nothing of a recovery within the grace", async () => {
    const r = room("shown")
    const watcher = await connectClient(gateway, "watcher", { rooms: [r] })
    const info = { name: "Ada" }
    const ada = await connectClient(gateway, "ada", { rooms: [r], auth: { token: await token("ada", { info }) } })
    await until("ada to be told of", () => presence(watcher).length === 1)
    expect(watcher.received[0]).toMatchObject({
      event: "room:joined",
      data: { room: r, userId: "ada", connectionId: ada.socket.id, info },
    })
    expect(watcher.received[0]?.position).toBeUndefined()
    const { count, members } = await watcher.ask("room:members", { room: r })
    expect([count, members.map(({ userId }: { userId: string }) => userId).sort()]).toEqual([2, ["ada", "watcher"]])
    expect(members.find(({ userId }: { userId: string }) => userId === "ada").info).toEqual(info)

    ada.drop()
    await connected(ada, 2)
    await sleep(3_200)
    expect(presence(watcher)).toEqual([["room:joined", "ada"]])
    ada.socket.disconnect()
    await until("ada to have left", () => presence(watcher).length === 2)
    expect(presence(watcher)).toEqual([
      ["room:joined", "ada"],
      ["room:left", "ada"],
    ])
    expect(presence(ada)).toEqual([])
  })

  it("tells of who comes back after the grace, recovered all the same", async () => {
    const r = room("shown")
    const watcher = await connectClient(gateway, "watcher", { rooms: [r] })
    const bob = await connectClient(gateway, "bob", { rooms: [r], ...STAYS_AWAY })
    await until("bob to be told of", () => presence(watcher).length === 1)
    bob.drop()
    await until("him to have left", () => presence(watcher).length === 2)
    comeBack(bob)
    await connected(bob, 2)
    await until("all three", () => presence(watcher).length === 3)
    expect(presence(watcher)).toEqual([
      ["room:joined", "bob"],
      ["room:left", "bob"],
      ["room:joined", "bob"],
    ])
    expect(bob.recovered).toEqual([false, true])
  })
})

describe("an event of the gateway's own", () => {
  it("is told what its data lacks, and what it should not have", async () => {
    const client = await connectClient(gateway, "fay")
    const faults = async (event: string, data: unknown) => (await client.ask(event, data))["error"].details
    expect(await faults("room:publish", { room: "open:a", event: "e" })).toEqual([
      { pointer: "/data", detail: "is missing, expected: any JSON" },
    ])
    expect(await faults("session:refresh", {})).toEqual([{ pointer: "/token", detail: "is missing, expected: string" }])
    expect(await faults("room:join", null)).toEqual([{ pointer: "", detail: "expected object, received null" }])
    expect(await faults("room:leave", { room: "open:a", rom: 1 })).toEqual([
      { pointer: "", detail: 'Unrecognized key: "rom"' },
    ])
  })
})

describe("a token", () => {
  it("about to end is announced, refreshed, and its connection lives on; rooms that the new one lacks are left", async () => {
    const [kept, lost] = [room("token"), room("token")]
    const cy = await connectClient(gateway, "cy", {
      rooms: [kept, lost],
      auth: { token: await token("cy", { rooms: [kept, lost], expiresInSeconds: 8 }) },
    })
    const expiring: { expiresAt: number }[] = []
    cy.socket.on("session:expiring", (data) => expiring.push(data))
    await until("the notice", () => expiring.length === 1)
    const answer = await cy.ask("session:refresh", { token: await token("cy", { rooms: [kept] }) })
    expect(answer).toMatchObject({ ok: true, rooms: [kept] })
    expect(answer.expiresAt).toBeGreaterThan(expiring[0]?.expiresAt ?? 0)
    await gateway.push({ rooms: [lost] }, "e", "not for cy")
    await gateway.push({ rooms: [kept] }, "e", "for cy")
    await until("the message", () => cy.received.length === 1)
    expect([cy.received[0]?.data, cy.disconnects]).toEqual(["for cy", []])
    expect(await cy.ask("session:refresh", { token: await token("someone-else") })).toMatchObject({
      error: { code: "unauthorized" },
    })
  })

  it("that ends closes the connection, which returns by itself with a new one", async () => {
    let handed = 0
    const di = await connectClient(gateway, "di", { wait: false })
    di.socket.disconnect()
    di.socket.auth = (give: (auth: object) => void) => {
      handed++
      void token("di", { expiresInSeconds: handed === 1 ? 2 : 3_600 }).then((made) => give({ token: made }))
    }
    di.socket.connect()
    await until("it to be back", () => di.recovered.length >= 2 && di.socket.connected, 20_000)
    expect(di.closings).toMatchObject([{ code: "token_expired", reconnect: true }])
    expect([handed, di.recovered.at(-1)]).toEqual([2, true])
  }, 60_000)

  it("that is revoked, by id or by user, closes its connections, which stay away", async () => {
    const byId = await connectClient(gateway, "ed", { auth: { token: await token("ed", { tokenId: "one" }) } })
    const other = await connectClient(gateway, "ed", { auth: { token: await token("ed", { tokenId: "two" }) } })
    expect((await gateway.call("POST", "/v1/revocations", { jti: "one" })).status).toBe(201)
    await until("the first to be gone", () => byId.disconnects.length === 1)
    expect([byId.closings, byId.socket.active, other.disconnects]).toMatchObject([
      [{ code: "revoked", reconnect: false }],
      false,
      [],
    ])
    // Its session is not for whoever comes with another token, either.
    const fresh = await token("ed", { tokenId: "three" })
    const next = await connectClient(gateway, "ed", { auth: { ...secrets(byId), token: fresh } })
    expect(next.ready[0]?.recovered).toBe(false)
    expect(
      (await gateway.call("POST", "/v1/revocations", { userId: "ed", issuedBefore: Date.now() + 30_000 })).status,
    ).toBe(201)
    await until("the other too", () => other.disconnects.length === 1)
    const again = await connectClient(gateway, "ed", { wait: false })
    await until("the refusal", () => again.errors.length === 1)
    expect(again.errors[0]?.data?.code).toBe("revoked")
  })
})

describe("limits", () => {
  it("on a user's connections refuse one more, and count a recovered one once", async () => {
    const clients = await Promise.all([1, 2, 3].map(() => connectClient(gateway, "fe")))
    const fourth = await connectClient(gateway, "fe", { wait: false })
    await until("the refusal", () => fourth.errors.length === 1)
    expect(fourth.errors[0]?.data?.code).toBe("too_many_connections")
    for (let i = 2; i < 5; i++) {
      clients[0]?.drop()
      await connected(clients[0] as Client, i)
    }
    expect((await gateway.call("GET", "/v1/users/fe")).body.connections).toHaveLength(3)
  })

  it("on rooms refuse one more, and joining one again is none", async () => {
    const gi = await connectClient(gateway, "gi")
    const rooms = [1, 2, 3, 4].map(() => room("plain"))
    for (const r of rooms) expect(await gi.ask("room:join", { room: r })).toMatchObject({ ok: true })
    expect(await gi.ask("room:join", { room: rooms[0] })).toMatchObject({ ok: true })
    expect(await gi.ask("room:join", { room: room("plain") })).toMatchObject({ error: { code: "too_many_rooms" } })
    expect(await gi.ask("room:leave", { room: rooms[0] })).toEqual({ ok: true })
    expect(await gi.ask("room:join", { room: room("plain") })).toMatchObject({ ok: true })
  })

  it("on events answer with rate_limited and when to try again", async () => {
    const ha = await connectClient(gateway, "ha", { rooms: [room("plain")] })
    const answers = await Promise.all(Array.from({ length: 400 }, () => ha.ask("room:members", { room: "plain:none" })))
    const limited = answers.filter(({ error }) => error.code === "rate_limited")
    expect(limited.length).toBeGreaterThan(50)
    expect(limited[0].error.retryAfterMs).toBeGreaterThan(0)
    expect(ha.disconnects).toEqual([])
  })
})

describe("a client's own id for a message", () => {
  it("publishes once, also at the same time, and another message under it is refused", async () => {
    const r = room("open")
    const io = await connectClient(gateway, "io", { rooms: [r] })
    const publish = { room: r, event: "e", data: 1, id: "mine-1" }
    const answers = await Promise.all([1, 2, 3].map(() => io.ask("room:publish", publish)))
    expect(new Set(answers.map(({ id, offset }) => `${id} ${offset}`)).size).toBe(1)
    expect(await io.ask("room:publish", { ...publish, data: 2 })).toMatchObject({
      error: { code: "idempotency_key_reused" },
    })
    await settle()
    expect(io.received.map(({ data }) => data)).toEqual([1])
  })
})

describe("events", () => {
  it("sent while away arrive once, in order, when the client is back", async () => {
    const r = room("open")
    const jo = await connectClient(gateway, "jo", { rooms: [r] })
    const watcher = await connectClient(gateway, "kim", { rooms: [r] })
    jo.drop()
    for (let i = 0; i < 30; i++) jo.socket.emit("room:publish", { room: r, event: "e", data: i })
    await until("all thirty", () => watcher.received.length >= 30)
    expect(watcher.received.map(({ data }) => data)).toEqual(Array.from({ length: 30 }, (_, i) => i))
  })

  it("of one connection are acknowledged in order by the gateway", async () => {
    const lu = await connectClient(gateway, "lu")
    const r = room("open")
    const order: string[] = []
    const note = (what: string) => (answer: { ok: boolean }) => order.push(`${what} ${answer.ok}`)
    lu.socket.emit("room:publish", { room: r, event: "e", data: 0 }, note("publish"))
    lu.socket.emit("room:join", { room: r }, note("join"))
    lu.socket.emit("room:publish", { room: r, event: "e", data: 1 }, note("publish"))
    lu.socket.emit("room:leave", { room: r }, note("leave"))
    lu.socket.emit("room:publish", { room: r, event: "e", data: 2 }, note("publish"))
    await until("five acks", () => order.length === 5)
    expect(order).toEqual(["publish false", "join true", "publish true", "leave true", "publish false"])
  })
})
