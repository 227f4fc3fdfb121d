import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { connected } from "#tests/support/client.ts"
import { isReady, move, nodeAt, readiness, STAYS_AWAY, secrets, seen, startCluster } from "#tests/support/cluster.ts"
import { settle, until } from "#tests/support/until.ts"

/** A node that says nothing for ten seconds is taken for dead. */
const LONGER_THAN_A_LEASE_MS = 11_000
const to = { rooms: ["open:a"] }

describe.concurrent("two nodes", () => {
  it("of one name say so, each of the other", async () => {
    await using cluster = await startCluster(2, { config: { nodeId: "twin" } })
    for (const node of cluster.nodes)
      await until("the node to notice", () => node.output().includes("two nodes are named twin"), 120_000)
  })

  it("go on after one was stopped for longer than its lease: what it does late for sessions it lost does nothing", async () => {
    await using cluster = await startCluster(2)
    const [stopped, other] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
    const mover = await cluster.client(stopped, "ann", { rooms: to.rooms })
    const old = await cluster.member(stopped, "bea", to.rooms, STAYS_AWAY)
    await stopped.push(to, "e", 0)
    await until("the first at both", () => mover.received.length === 1 && old.received.length === 1)
    stopped.process.kill("SIGSTOP")
    mover.socket.emit("room:join", { room: "open:late" }, () => {})
    old.socket.emit("room:leave", { room: "open:a" }, () => {})
    old.socket.emit("room:join", { room: "open:late" }, () => {})
    await settle(50)
    const sessions = [mover, old].map((client) => String(secrets(client).pid))
    move(mover, other)
    await connected(mover, 2)
    // The same session, its old connection still open on the stopped node.
    const next = await cluster.client(other, "bea", { rooms: to.rooms, auth: { ...secrets(old) } })
    expect([mover.recovered, next.ready[0]?.recovered]).toEqual([[false, true], true])
    await sleep(LONGER_THAN_A_LEASE_MS)
    await other.push(to, "e", 1)
    await until("the second", () => mover.received.length === 2 && next.received.length === 1)
    stopped.process.kill("SIGCONT")
    await until("the old connection to be closed", () => old.disconnects.length === 1)
    await isReady(stopped)
    await settle(1_500)
    for (const id of sessions) {
      const key = `roomcast:{1.0}:session:${id}`
      const session = await cluster.redis.client.hgetall(key)
      expect(session).toMatchObject({ owner: "2", "room:open:a": expect.any(String) })
      expect(Object.keys(session)).not.toContain("room:open:late")
      expect(Object.keys(session)).not.toContain("dropped")
      // A dropped one is there for little longer than the two minutes in which it can be recovered.
      expect(await cluster.redis.client.pttl(key)).toBeGreaterThan(600_000)
    }
    await other.push(to, "e", 2)
    await until("the third", () => mover.received.length >= 3 && next.received.length >= 2)
    await settle(200)
    expect([mover, next, old].map(seen)).toEqual([[0, 1, 2], [1, 2], [0]])
    move(mover, stopped)
    await connected(mover, 3)
    expect(mover.recovered).toEqual([false, true, true])
  })

  it("whose leases both lapsed while Redis hung are ready again, and everybody recovers or never noticed", async () => {
    await using cluster = await startCluster(2)
    const [one, two] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
    const clients = await Promise.all(
      [two, one, two, one].map((node, i) => cluster.client(node, `u${i}`, { rooms: to.rooms })),
    )
    const [dropped, first, second] = clients
    if (dropped === undefined || first === undefined || second === undefined) throw new Error("no clients")
    await one.push(to, "e", 0)
    await until("the first", () => clients.every(({ received }) => received.length === 1))
    cluster.redis.signal("SIGSTOP")
    await sleep(1_000)
    expect((await one.push(to, "e", "refused")).status).toBe(503)
    await until("the node not to be ready", async () => (await readiness(one)) === 503)
    dropped.drop()
    await sleep(LONGER_THAN_A_LEASE_MS + 1_000)
    cluster.redis.signal("SIGCONT")
    await Promise.all([one, two].map((node) => isReady(node)))
    await connected(dropped, 2)
    for (const client of [first, second]) move(client, one)
    await Promise.all([first, second].map((client) => connected(client, 2)))
    await cluster.surely(to, 1)
    await until("the second", () => clients.every((client) => seen(client).includes(1)))
    // A push without an answer may have been done all the same.
    expect(clients.map((client) => [client.recovered, seen(client).filter((data) => data !== "refused")])).toEqual([
      [
        [false, true],
        [0, 1],
      ],
      [
        [false, true],
        [0, 1],
      ],
      [
        [false, true],
        [0, 1],
      ],
      [[false], [0, 1]],
    ])
  })
})
