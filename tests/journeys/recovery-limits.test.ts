import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { closeClients, connectClient, connected } from "#tests/support/client.ts"
import { comeBack, STAYS_AWAY } from "#tests/support/cluster.ts"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { until } from "#tests/support/until.ts"

const running: Gateway[] = []
const start = async (...args: Parameters<typeof startGateway>): Promise<Gateway> => {
  const gateway = await startGateway(...args)
  running.push(gateway)
  return gateway
}
afterEach(async () => {
  closeClients()
  await Promise.all(running.splice(0).map((gateway) => gateway.stop("SIGKILL")))
})

describe("what cannot be recovered is said", () => {
  it("where more was missed than a replay's most, over all rooms of the connection", async () => {
    const gateway = await start({ recovery: { maxMessages: 5 } })
    const client = await connectClient(gateway, "ann", { rooms: ["open:a", "open:b"], ...STAYS_AWAY })
    for (const [missed, recovered] of [
      [5, true],
      [6, false],
    ] as const) {
      const times = client.ready.length
      client.received.length = 0
      client.socket.io.reconnection(false)
      client.drop()
      await until("it to be gone", () => client.disconnects.length === times)
      for (let i = 0; i < missed; i++) await gateway.push({ rooms: [i % 2 ? "open:a" : "open:b"] }, "e", i)
      comeBack(client)
      await connected(client, times + 1)
      await client.ask("room:join", { room: "open:a" })
      await gateway.push({ rooms: ["open:a"] }, "e", "live")
      await until("what is live", () => client.received.at(-1)?.data === "live")
      expect([client.recovered.at(-1), client.received.length]).toEqual([recovered, recovered ? 6 : 1])
    }
  })

  it("where the window is over", async () => {
    const gateway = await start({ recovery: { window: "300ms", maxMessages: 100 }, presence: { grace: "100ms" } })
    const client = await connectClient(gateway, "bea", { rooms: ["open:a"], ...STAYS_AWAY })
    client.drop()
    await until("it to be gone", () => client.disconnects.length === 1)
    await gateway.push({ rooms: ["open:a"] }, "e", "missed")
    await sleep(1_500)
    comeBack(client)
    await connected(client, 2)
    await client.ask("room:join", { room: "open:a" })
    await gateway.push({ rooms: ["open:a"] }, "e", "live")
    await until("what is live", () => client.received.length > 0)
    expect([client.recovered, client.received.map(({ data }) => data)]).toEqual([[false, false], ["live"]])
  })

  it("where the node was killed and began anew: the client comes back by itself, fresh", async () => {
    const first = await start()
    const client = await connectClient(first, "cat", { rooms: ["open:a"] })
    await first.push({ rooms: ["open:a"] }, "e", 1)
    await until("the message", () => client.received.length === 1)
    await first.stop("SIGKILL")
    const second = await start()
    Reflect.set(client.socket.io, "uri", second.url)
    await connected(client, 2)
    await until("its room", async () => (await second.call("GET", "/v1/rooms/open%3Aa")).body.memberCount === 1)
    await second.push({ rooms: ["open:a"] }, "e", 2)
    await until("the next", () => client.received.length === 2)
    expect([client.recovered, client.received.map(({ data }) => data)]).toEqual([
      [false, false],
      [1, 2],
    ])
  })
})

describe("who comes without auth.token", () => {
  it("is let in by Authorization: Bearer", async () => {
    const gateway = await start()
    const extraHeaders = { authorization: `Bearer ${await token("dot")}` }
    const client = await connectClient(gateway, "dot", { auth: { token: undefined }, extraHeaders })
    expect(client.ready[0]?.userId).toBe("dot")
  })

  it("is a user of its own where anonymous connections are allowed, and stays that user through a drop", async () => {
    const gateway = await start({ jwt: { anonymous: true, secret: "another-secret-for-those-with-one-0" } })
    const one = await connectClient(gateway, "one", { auth: { token: undefined }, rooms: ["open:a"] })
    const two = await connectClient(gateway, "two", { auth: { token: undefined }, rooms: ["open:a"] })
    expect(one.ready[0]?.userId).toMatch(/^anonymous:/)
    expect(one.ready[0]?.userId).not.toBe(two.ready[0]?.userId)
    await gateway.push({ users: [one.ready[0]?.userId] }, "e", "for one")
    await until("the message", () => one.received.length === 1)
    expect(two.received).toEqual([])
    one.drop()
    await gateway.push({ rooms: ["open:a"] }, "e", "missed")
    await connected(one, 2)
    await until("what it missed", () => one.received.length === 2)
    expect([one.recovered, one.ready[1]?.userId]).toEqual([[false, true], one.ready[0]?.userId])
    const impostor = await connectClient(gateway, "x", {
      auth: { token: await token(one.ready[0]?.userId ?? "", {}, "another-secret-for-those-with-one-0") },
      wait: false,
    })
    await until("the refusal", () => impostor.errors.length === 1)
    expect(impostor.errors[0]?.data?.code).toBe("unauthorized")
  })
})
