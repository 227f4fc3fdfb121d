import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { connected } from "#tests/support/client.ts"
import {
  type Cluster,
  comeBack,
  isReady,
  move,
  nodeAt,
  STAYS_AWAY,
  secrets,
  seen,
  startCluster,
} from "#tests/support/cluster.ts"
import { type Gateway, token } from "#tests/support/gateway.ts"
import { settle, until } from "#tests/support/until.ts"

let cluster: Cluster
let node: Gateway
let other: Gateway
beforeAll(async () => {
  cluster = await startCluster(2)
  node = nodeAt(cluster, 0)
  other = nodeAt(cluster, 1)
})
afterAll(() => cluster[Symbol.asyncDispose]())

describe.concurrent("a client that drops and comes back", () => {
  it("recovers though Redis hung for five seconds meanwhile", async () => {
    await using own = await startCluster(1)
    const alone = nodeAt(own, 0)
    const client = await own.client(alone, "ann", { rooms: ["open:a"] })
    await alone.push({ rooms: ["open:a"] }, "e", 0)
    await until("the first", () => client.received.length === 1)
    client.drop()
    await alone.push({ rooms: ["open:a"] }, "e", 1)
    own.redis.signal("SIGSTOP")
    await sleep(5_000)
    own.redis.signal("SIGCONT")
    await connected(client, 2)
    await isReady(alone)
    await own.surely({ rooms: ["open:a"] }, 2)
    await until("all three", () => client.received.length >= 3)
    expect([client.recovered, seen(client)]).toEqual([
      [false, true],
      [0, 1, 2],
    ])
  })

  it("recovers where nothing had ever been published when it dropped", async () => {
    const client = await cluster.client(node, "bea", { rooms: ["open:first"] })
    client.drop()
    await settle(30)
    await other.push({ rooms: ["open:first"] }, "e", 1)
    await connected(client, 2)
    await until("the first message ever", () => client.received.length === 1)
    expect([client.recovered, seen(client)]).toEqual([[false, true], [1]])
  })

  it("gets everything once in a room whose join ended only after it had dropped, once it has joined again", async () => {
    await using own = await startCluster(1)
    const alone = nodeAt(own, 0)
    const witness = await own.client(alone, "witness", { rooms: ["open:a"] })
    const client = await own.client(alone, "cat")
    await alone.push({ users: ["cat"] }, "e", "hi")
    await until("a position", () => client.received.length === 1)
    await own.redis.client.client("PAUSE", 700, "ALL")
    client.socket.emit("room:join", { room: "open:a" }, () => {})
    await settle(100)
    client.drop()
    await settle(1_500)
    await connected(client, 2)
    expect(await client.ask("room:join", { room: "open:a" })).toMatchObject({ ok: true })
    for (let i = 0; i < 50; i++) await alone.push({ rooms: ["open:a"] }, "e", i)
    await until("all at the witness", () => witness.received.length === 50)
    await settle(200)
    expect(seen(client)).toEqual(["hi", ...Array.from({ length: 50 }, (_, i) => i)])
  })

  it("is replayed its logged rooms only, and told which of its rooms are not logged", async () => {
    const rooms = ["open:logged", "plain:beside"]
    const client = await cluster.member(node, "dot", rooms)
    const toLogged = (data: unknown, more?: object) => other.push({ rooms: ["open:logged"] }, "e", data, more)
    const toPlain = (data: unknown) => other.push({ rooms: ["plain:beside"] }, "e", data)
    await toLogged(0)
    await toPlain("p0")
    await toLogged("v", { volatile: true })
    await until("all three", () => client.received.length === 3)
    expect(client.received.map(({ position }) => typeof position)).toEqual(["string", "undefined", "undefined"])
    client.drop()
    await toLogged("missed", { volatile: true })
    await toPlain("missed")
    await toLogged(1)
    await connected(client, 2)
    await toPlain("p1")
    await until("what it missed, and the next", () => client.received.length >= 5)
    expect([client.recovered, seen(client)]).toEqual([
      [false, true],
      [0, "p0", "v", 1, "p1"],
    ])
    expect(client.ready[1]).toMatchObject({ rooms, unlogged: ["plain:beside"] })
  })

  it("is told that it did not recover where its room kept less than it missed", async () => {
    const client = await cluster.member(node, "eve", ["short:x"], STAYS_AWAY)
    await node.push({ rooms: ["short:x"] }, "e", 0)
    await until("the first", () => client.received.length === 1)
    client.drop()
    await settle(20)
    for (let i = 1; i <= 60; i++) await other.push({ rooms: ["short:x"] }, "e", i)
    comeBack(client)
    await connected(client, 2)
    await settle(200)
    expect([client.recovered, seen(client)]).toEqual([[false, false], [0]])
  })

  it("gets a message once that went to a plain room of it first and to itself second, and no room is named", async () => {
    const to = { rooms: ["plain:o"], users: ["fay"] }
    const client = await cluster.member(node, "fay", ["plain:o"])
    await node.push(to, "e", 0)
    await until("the first", () => client.received.length === 1)
    client.drop()
    await other.push(to, "e", 1)
    await connected(client, 2)
    await until("what it missed", () => client.received.length >= 2)
    await settle(200)
    expect([client.recovered, seen(client)]).toEqual([
      [false, true],
      [0, 1],
    ])
    expect(client.received.map(({ meta }) => meta.room)).toEqual([undefined, undefined])
  })

  it("is spared what excepts it by an id that its session had on another node, and its own without echo", async () => {
    const to = { rooms: ["open:except"] }
    const client = await cluster.client(node, "gil", { rooms: to.rooms })
    const except = { connections: [client.socket.id] }
    await node.push(to, "e", 0)
    await until("the first", () => client.received.length === 1)
    move(client, other)
    await connected(client, 2)
    await other.push({ ...to, except }, "e", "excepted live")
    await node.push(to, "e", 1)
    await until("the second", () => client.received.length === 2)
    const publish = { room: "open:except", event: "e" }
    expect(await client.ask("room:publish", { ...publish, data: "own", echo: false })).toMatchObject({ ok: true })
    expect(await client.ask("room:publish", { ...publish, data: "echoed" })).toMatchObject({ ok: true })
    await until("its own", () => client.received.length === 3)
    client.drop()
    await node.push({ ...to, except }, "e", "excepted in a replay")
    await node.push(to, "e", 2)
    await connected(client, 3)
    await until("what it missed", () => client.received.length >= 4)
    await settle(200)
    expect([client.recovered, seen(client)]).toEqual([
      [false, true, true],
      [0, 1, "echoed", 2],
    ])
  })
})

it("a client recovers where the clock of Redis has gone back by an hour: offsets did not", async () => {
  await using own = await startCluster(1)
  const { client: redis } = own.redis
  const [clock = ""] = await redis.keys("*:clock")
  // So it stands where the time was ahead for a moment.
  await redis.set(clock, `${Number(await redis.get(clock)) + 3_600_000_000}`)
  const node = nodeAt(own, 0)
  const to = { rooms: ["open:a"] }
  const client = await own.member(node, "ann", to.rooms, STAYS_AWAY)
  await node.push(to, "e", 0)
  await until("the first", () => client.received.length === 1)
  client.drop()
  await node.push(to, "e", 1)
  comeBack(client)
  await connected(client, 2)
  await until("what it missed", () => client.received.length === 2)
  expect([client.recovered, seen(client)]).toEqual([
    [false, true],
    [0, 1],
  ])
})

describe.concurrent("a session's secret", () => {
  it("opens nothing for another user, nor with a forged token, nor without one, and cuts nobody", async () => {
    const victim = await cluster.client(node, "hal", { rooms: ["open:theft"] })
    await node.push({ rooms: ["open:theft"] }, "e", 0)
    await until("a position", () => victim.received.length === 1)
    const stolen = secrets(victim)
    const thief = await cluster.client(other, "ida", { auth: stolen })
    expect([thief.ready[0]?.recovered, secrets(thief).pid === stolen.pid]).toEqual([false, false])
    for (const forged of [await token("hal", {}, "another-secret-that-is-not-the-gateways"), undefined]) {
      const options = { auth: { ...stolen, token: forged }, reconnection: false, wait: false }
      const refused = await cluster.client(other, "hal", options)
      await until("the refusal", () => refused.errors.length === 1)
      expect(refused.errors[0]?.data?.code).toBe("unauthorized")
    }
    expect(victim.disconnects).toEqual([])
  })

  it("of the user before keeps nobody out who signs in on the same client, and who then recovers too", async () => {
    const client = await cluster.client(node, "jon", { rooms: ["open:same"] })
    await node.push({ rooms: ["open:same"] }, "e", 0)
    await until("a position", () => client.received.length === 1)
    client.socket.disconnect()
    client.socket.auth = { token: await token("kay") }
    client.socket.connect()
    await connected(client, 2)
    move(client, other)
    await connected(client, 3)
    expect([client.recovered, client.ready.map(({ userId }) => userId)]).toEqual([
      [false, false, true],
      ["jon", "kay", "kay"],
    ])
  })

  it("continued on another node closes the old connection, which is fed no more", async () => {
    const to = { rooms: ["open:taken"] }
    const old = await cluster.member(node, "lea", to.rooms, STAYS_AWAY)
    await node.push(to, "e", 0)
    await until("a position", () => old.received.length === 1)
    const next = await cluster.client(other, "lea", { auth: { ...secrets(old) } })
    await until("the old one closed", () => old.disconnects.length === 1)
    await node.push(to, "e", 1)
    await until("the second", () => next.received.length === 1)
    expect([next.ready[0]?.recovered, seen(next), seen(old)]).toEqual([true, [1], [0]])
  })
})
