import { setTimeout as sleep } from "node:timers/promises"
import { io } from "socket.io-client"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Client, closeClients, connectClient, connected } from "#tests/support/client.ts"
import { comeBack, STAYS_AWAY, secrets } from "#tests/support/cluster.ts"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { settle, until } from "#tests/support/until.ts"

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway({ users: { history: { size: 1_000, ttl: "1h" } } })
})
afterAll(async () => {
  closeClients()
  await gateway.stop()
})

let names = 0
/** A room of its own for each test. */
const room = (kind: string): string => `${kind}:${++names}`
const push = (to: string | object, data: unknown, more?: object) =>
  gateway.push(typeof to === "string" ? { rooms: [to] } : to, "e", data, more)
const seen = (client: Client): unknown[] => client.received.map(({ data }) => data)

describe("a client that drops and comes back", () => {
  it("recovers before any message was ever published", async () => {
    const r = room("open")
    const client = await connectClient(gateway, "ann", { rooms: [r] })
    client.drop()
    await settle(30)
    await push(r, 1)
    await connected(client, 2)
    await until("the message", () => client.received.length === 1)
    expect([client.recovered, seen(client)]).toEqual([[false, true], [1]])
  })

  it("gets what it missed in its rooms and its own, with the unlogged ones named and joined again", async () => {
    const [logged, plain] = [room("open"), room("plain")]
    const client = await connectClient(gateway, "bea", { rooms: [logged, plain] })
    await push(logged, 0)
    await push(plain, "p0")
    await push(logged, "v", { volatile: true })
    await until("three messages", () => client.received.length === 3)
    expect(client.received.map(({ position }) => typeof position)).toEqual(["string", "undefined", "undefined"])
    client.drop()
    await push(logged, "gone", { volatile: true })
    await push(plain, "gone too")
    await push(logged, 1)
    await push({ users: ["bea"] }, 2)
    await connected(client, 2)
    await push(plain, "p1")
    await until("six messages", () => client.received.length === 6)
    expect(seen(client)).toEqual([0, "p0", "v", 1, 2, "p1"])
    expect(client.ready[1]).toMatchObject({ recovered: true, rooms: [logged, plain], unlogged: [plain] })
  })

  it("gets a message once that went to a plain room of it first and to itself second", async () => {
    const plain = room("plain")
    const client = await connectClient(gateway, "cat", { rooms: [plain] })
    client.drop()
    await push({ rooms: [plain], users: ["cat"] }, 1)
    await connected(client, 2)
    await push({ users: ["cat"] }, "end")
    await until("the end", () => seen(client).includes("end"))
    expect(seen(client)).toEqual([1, "end"])
  })

  it("is not replayed what was excepted for any id that its session had, nor its own without echo, nor what expired", async () => {
    const r = room("open")
    const client = await connectClient(gateway, "dot", { rooms: [r] })
    const first = client.socket.id
    client.drop()
    await connected(client, 2)
    expect(await client.ask("room:publish", { room: r, event: "e", data: "own", echo: false })).toMatchObject({
      ok: true,
    })
    await push({ rooms: [r], except: { connections: [first] } }, "not live")
    client.socket.io.reconnectionDelay(400)
    client.socket.io.reconnectionDelayMax(400)
    client.drop()
    await push({ rooms: [r], except: { connections: [first] } }, "not replayed")
    await push(r, "expired", { ttlMs: 50 })
    await push(r, "kept", { ttlMs: 60_000 })
    await connected(client, 3)
    await push(r, "end")
    await until("the end", () => seen(client).includes("end"))
    expect([client.recovered, seen(client)]).toEqual([
      [false, true, true],
      ["kept", "end"],
    ])
  })

  it("undoes a join that ends after the drop, and joins again", async () => {
    const r = room("open")
    const client = await connectClient(gateway, "eve")
    for (let i = 0; i < 20; i++) {
      client.socket.emit("room:join", { room: r }, () => undefined)
      client.drop()
      await connected(client, i + 2)
    }
    expect(await client.ask("room:join", { room: r })).toMatchObject({ ok: true })
    for (let i = 0; i < 20; i++) await push(r, i)
    await until("twenty messages", () => client.received.length >= 20)
    expect(seen(client)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect((await gateway.call("GET", `/v1/rooms/${encodeURIComponent(r)}`)).body.memberCount).toBe(1)
  })

  it("takes the place of its old connection, which is closed and feeds nobody", async () => {
    const r = room("open")
    const old = await connectClient(gateway, "fay", { rooms: [r], reconnection: false })
    await push(r, 0)
    await until("a position", () => old.received.length === 1)
    const next = await connectClient(gateway, "fay", { auth: secrets(old) })
    await until("the old one closed", () => old.disconnects.length === 1)
    await push(r, 1)
    await until("the message", () => next.received.length === 1)
    expect([next.ready[0]?.recovered, seen(next), seen(old)]).toEqual([true, [1], [0]])
    expect((await gateway.call("GET", "/v1/users/fay")).body.connections).toHaveLength(1)
  })

  it("has a whole replay of more than its gate holds beside a busy room", async () => {
    const [a, b] = [room("open"), room("open")]
    const client = await connectClient(gateway, "gil", {
      rooms: [a, b],
      reconnectionDelay: 100_000,
      reconnectionDelayMax: 100_000,
    })
    client.drop()
    const pad = "x".repeat(2_000)
    let next = 0
    let running = true
    const pushing = Array.from({ length: 2 }, async () => {
      while (running) {
        const messages = Array.from({ length: 50 }, () => ({
          to: { rooms: [next % 2 ? a : b] },
          event: "e",
          data: { n: next++, pad },
        }))
        await gateway.call("POST", "/v1/messages/batch", { messages })
      }
    })
    await until("eight thousand pushed", () => next > 8_000, 60_000)
    client.socket.io.reconnectionDelay(50)
    client.socket.connect()
    client.socket.io.connect()
    await connected(client, 2)
    await sleep(1_000)
    running = false
    await Promise.all(pushing)
    await until("all of them", () => client.received.length >= next, 30_000)
    const numbers = client.received.map(({ data }) => data.n as number)
    const offsets = client.received.map(({ meta }) => meta.offset ?? "")
    expect([client.recovered, numbers.length, new Set(numbers).size]).toEqual([[false, true], next, next])
    expect(offsets.every((offset, i) => i === 0 || offset > (offsets[i - 1] ?? ""))).toBe(true)
  }, 120_000)
})

describe.concurrent("a history that does not reach back", () => {
  /** Misses 1, something happens to the log, and whatever comes after is told honestly. */
  const missed = async (kind: string, happen: (name: string) => Promise<unknown>) => {
    const r = room(kind)
    const client = await connectClient(gateway, "hal", { rooms: [r], ...STAYS_AWAY })
    await push(r, 0)
    await until("the first", () => client.received.length === 1)
    client.drop()
    await until("it to be gone", () => client.disconnects.length === 1)
    await happen(r)
    comeBack(client)
    await connected(client, 2)
    await client.ask("room:join", { room: r })
    await push(r, "live")
    await until("what is live", () => seen(client).includes("live"))
    return { recovered: client.recovered, seen: seen(client) }
  }
  const clear = (r: string) => gateway.call("DELETE", `/v1/rooms/${encodeURIComponent(r)}/messages`)

  it.each([
    [
      "trimmed by size",
      "short",
      async (r: string) => {
        for (let i = 1; i <= 60; i++) await push(r, i)
      },
    ],
    [
      "run out by age",
      "brief",
      async (r: string) => {
        await push(r, 1)
        await sleep(1_200)
      },
    ],
    [
      "run out by age and filled again",
      "brief",
      async (r: string) => {
        await push(r, 1)
        await sleep(1_200)
        await push(r, 2)
      },
    ],
    [
      "cleared",
      "open",
      async (r: string) => {
        await push(r, 1)
        await clear(r)
      },
    ],
    [
      "cleared and filled again",
      "open",
      async (r: string) => {
        await push(r, 1)
        await clear(r)
        await push(r, 2)
      },
    ],
  ])("that was %s is said, and nothing of it comes out of order", async (_, kind, happen) => {
    expect(await missed(kind, happen)).toEqual({ recovered: [false, false], seen: [0, "live"] })
  })

  it.each([
    ["cleared, yet nothing was missed", "open", clear],
    ["emptied by age, yet nothing was missed", "brief", () => sleep(1_500)],
  ])("that was %s is whole", async (_, kind, happen) => {
    expect(await missed(kind, happen)).toEqual({ recovered: [false, true], seen: [0, "live"] })
  })
})

describe("a session id", () => {
  it("is worth nothing to another user, to an expired or a revoked token, and its owner stays connected", async () => {
    const r = room("open")
    const victim = await connectClient(gateway, "ivy", { rooms: [r] })
    await push(r, 0)
    await until("a position", () => victim.received.length === 1)
    const stolen = secrets(victim)
    const revoked = await token("ivy", { tokenId: "stolen-token" })
    await gateway.call("POST", "/v1/revocations", { jti: "stolen-token" })
    const attempts: [string, string][] = [
      ["another user", await token("mallory")],
      ["expired", await token("ivy", { expiresInSeconds: -60 })],
      ["revoked", revoked],
      ["another secret", await token("ivy", {}, "another-secret-another-secret-123")],
    ]
    await push(r, 1)
    const outcomes = await Promise.all(
      attempts.map(async ([what, stolenToken]) => {
        const socket = io(gateway.url, {
          auth: { token: stolenToken, ...stolen },
          forceNew: true,
          reconnection: false,
          transports: ["websocket"],
        })
        const got: unknown[] = []
        socket.onAny((event: string, data: unknown) => event.startsWith("session:") || got.push(data))
        const outcome = await new Promise<string>((resolve) => {
          socket.once("connect", () =>
            resolve(Reflect.get(socket, "_pid") === stolen.pid ? "the session" : "a fresh session"),
          )
          socket.once("connect_error", (error: Error & { data?: { code: string } }) =>
            resolve(error.data?.code ?? error.message),
          )
        })
        await settle()
        socket.close()
        return [what, outcome, got]
      }),
    )
    expect(outcomes).toEqual([
      ["another user", "a fresh session", []],
      ["expired", "token_expired", []],
      ["revoked", "revoked", []],
      ["another secret", "unauthorized", []],
    ])
    await push(r, 2)
    await until("the owner's messages", () => victim.received.length === 3)
    expect([victim.disconnects, seen(victim)]).toEqual([[], [0, 1, 2]])
  })

  it("gives a token with fewer rooms nothing of those that it lost", async () => {
    const [kept, lost] = [room("token"), room("token")]
    const all = await token("joy", { rooms: ["token:*"] })
    const few = await token("joy", { rooms: [kept] })
    const client = await connectClient(gateway, "joy", { auth: { token: all }, rooms: [kept, lost] })
    await push(kept, "k0")
    await until("a position", () => client.received.length === 1)
    client.socket.auth = { token: few }
    client.drop()
    await push(lost, "secret")
    await push(kept, "k1")
    await connected(client, 2)
    await push(lost, "secret")
    await push(kept, "k2")
    await until("the end", () => seen(client).includes("k2"))
    expect([client.recovered, seen(client), client.ready[1]?.rooms]).toEqual([
      [false, true],
      ["k0", "k1", "k2"],
      [kept],
    ])
  })

  it("lets another user in who signs in on the same client, fresh, who then recovers too", async () => {
    const client = await connectClient(gateway, "kay")
    client.socket.disconnect()
    client.socket.auth = { token: await token("lee") }
    client.socket.connect()
    await connected(client, 2)
    client.drop()
    await push({ users: ["kay"] }, "not for lee")
    await push({ users: ["lee"] }, "for lee")
    await connected(client, 3)
    await until("the message", () => client.received.length > 0)
    expect([client.recovered, client.ready.map(({ userId }) => userId), seen(client)]).toEqual([
      [false, false, true],
      ["kay", "lee", "lee"],
      ["for lee"],
    ])
  })
})

describe("a join", () => {
  it("beside a busy room misses nothing, gets nothing twice and nothing before its ack, with since and without", async () => {
    const r = room("open")
    const offsets: string[] = []
    let running = true
    const pushing = Array.from({ length: 3 }, async () => {
      while (running) offsets.push((await push(r, 0)).body.offset)
    })
    await until("some history", () => offsets.length > 20)
    const joins: {
      client: Client
      answer: { offset: string; messages?: { meta: unknown; offset: string }[]; complete?: boolean }
      since?: string
      early: number
    }[] = []
    for (let i = 0; i < 20; i++) {
      const client = await connectClient(gateway, `joiner-${i}`)
      const since = i % 2 === 0 ? undefined : offsets[Math.max(0, offsets.length - 30)]
      let early = 0
      const other = client.ask("room:join", { room: room("open") })
      const answer = await new Promise<(typeof joins)[number]["answer"]>((resolve) => {
        client.socket.emit("room:join", { room: r, since }, (ack: (typeof joins)[number]["answer"]) => {
          early = client.received.length
          resolve(ack)
        })
      })
      await other
      await sleep(50)
      joins.push({ client, answer, early, ...(since !== undefined && { since }) })
    }
    running = false
    await Promise.all(pushing)
    await push(r, "end")
    await until("the end at all", () => joins.every(({ client }) => seen(client).includes("end")))
    const all = [...offsets].sort()
    const faults = joins.map(({ answer, client, early, since }) => {
      const got = [
        ...(answer.messages ?? []).map(({ offset }) => offset),
        ...client.received.slice(0, -1).map(({ meta }) => meta.offset ?? ""),
      ]
      const owed = all.filter((offset) => offset > (since ?? answer.offset))
      const has = new Set(got)
      return {
        missing: owed.filter((offset) => !has.has(offset)).length,
        twice: got.length - has.size,
        early,
        notOwed: got.filter((offset) => offset <= (since ?? answer.offset)).length,
        complete: answer.complete ?? true,
      }
    })
    expect(faults).toEqual(joins.map(() => ({ missing: 0, twice: 0, early: 0, notOwed: 0, complete: true })))
  })

  it("gives the last messages, and room:history the rest, to members only", async () => {
    const r = room("open")
    for (let i = 0; i < 5; i++) await push(r, i)
    const client = await connectClient(gateway, "mia")
    expect(await client.ask("room:history", { room: r })).toMatchObject({ ok: false, error: { code: "not_a_member" } })
    const joined = await client.ask("room:join", { room: r, recent: 2 })
    expect(joined.messages.map(({ data }: { data: unknown }) => data)).toEqual([3, 4])
    const history = await client.ask("room:history", { room: r })
    expect([history.complete, history.messages.map(({ data }: { data: unknown }) => data)]).toEqual([
      true,
      [0, 1, 2, 3, 4],
    ])
    const since = await client.ask("room:history", { room: r, since: history.messages[2].offset })
    expect([since.complete, since.messages.map(({ data }: { data: unknown }) => data)]).toEqual([true, [3, 4]])
    const foreign = await client.ask("room:history", { room: r, since: "AAAAAAAA.1" })
    expect([foreign.complete, foreign.messages.length]).toEqual([false, 5])
  })
})
