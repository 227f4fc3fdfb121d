import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type Client, closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { type RawClient, rawClient, rawUser } from "#tests/support/raw-client.ts"
import { until } from "#tests/support/until.ts"

let gateway: Gateway
let witness: Client
const raws: RawClient[] = []

/** The limits are the defaults: what a gateway that nobody tuned does. */
beforeAll(async () => {
  gateway = await startGateway({ limits: { eventsPerSecond: 50, bufferBytes: 1_048_576 } })
  witness = await connectClient(gateway, "witness", { rooms: ["open:witness"] })
})
afterEach(() => {
  for (const { ws } of raws.splice(0)) ws.terminate()
})
afterAll(async () => {
  closeClients()
  await gateway.stop()
})

const MiB = 1_048_576
const GROWTH = 96 * MiB

/**
 * While the attack runs, somebody else is served: pushes reach the witness, and the node's memory does not grow with the
 * attack. The bounds are wide enough for a busy machine and far below what each attack costs a stock server.
 */
const othersAreServed = async (attack: () => Promise<void>): Promise<void> => {
  const before = await gateway.memory()
  let most = before
  let running = true
  let slowest = 0
  const look = async (): Promise<void> => {
    const began = performance.now()
    const id = `w-${Math.random()}`
    await gateway.push({ rooms: ["open:witness"] }, "alive", id)
    await until("the witness to be served", () => witness.received.at(-1)?.data === id)
    slowest = Math.max(slowest, performance.now() - began)
    most = Math.max(most, await gateway.memory())
  }
  const watching = (async () => {
    for (; running; await sleep(50)) await look()
    await look()
  })()
  try {
    await attack()
  } finally {
    running = false
    await watching
  }
  expect({ grewTooMuch: most - before > GROWTH, grewMiB: most - before > GROWTH ? (most - before) / MiB : 0 }).toEqual({
    grewTooMuch: false,
    grewMiB: 0,
  })
  expect(witness.disconnects).toEqual([])
  expect(slowest).toBeLessThan(12_000)
}

const raw = async (made: Promise<RawClient>): Promise<RawClient> => {
  const client = await made
  raws.push(client)
  return client
}

describe("an attack on stock Socket.IO", () => {
  it("300,000 pings from a client that does not read: it is gone, and the pongs were not kept", () =>
    othersAreServed(async () => {
      const client = await raw(rawClient(gateway))
      const socket: unknown = Reflect.get(client.ws, "_socket")
      client.ws.pause()
      const payload = Buffer.alloc(120)
      let sent = 0
      while (sent < 300_000 && !isDestroyed(socket)) {
        for (let i = 0; i < 1_000; i++) client.ws.ping(payload)
        sent += 1_000
        await sleep(0)
      }
      client.ws.resume()
      await until("the offender to be gone", client.isGone)
    }))

  it("200 CONNECT packets: one token check, one connection, and the rest are refused", () =>
    othersAreServed(async () => {
      const opened = await gateway.metric("roomcast_connections_opened_total")
      const client = await raw(rawClient(gateway))
      const auth = JSON.stringify({ token: await token("many") })
      for (let i = 0; i < 200; i++) client.send(`40${auth}`)
      // A CONNECT that comes when the connection is open already is an error of the protocol, and ends it.
      await until(
        "all answers, or the end",
        () => client.isGone() || client.packets.filter((packet) => /^4[04]/.test(packet)).length >= 200,
      )
      expect(client.packets.filter((packet) => packet.startsWith("40{")).length).toBe(1)
      expect((await gateway.metric("roomcast_connections_opened_total")) - opened).toBe(1)
    }))

  it("a reader that stalls while its room is busy: it is cut, and says slow_consumer", () =>
    othersAreServed(async () => {
      const client = await raw(rawUser(gateway, "staller"))
      client.send(`420["room:join",{"room":"open:busy"}]`)
      await until("the join", () => client.packets.some((packet) => packet.startsWith("430[")))
      client.ws.pause()
      const closed = () => gateway.metric('roomcast_connections_closed_total{reason="slow_consumer"}')
      const before = await closed()
      const pad = "x".repeat(50_000)
      for (let i = 0; i < 400 && (await closed()) === before; i++)
        await gateway.push({ rooms: ["open:busy"] }, "busy", pad)
      expect((await closed()) - before).toBe(1)
    }))

  it("one polling request with 100,000 events: it is refused, or its connection cut, before they are handled", () =>
    othersAreServed(async () => {
      const base = `${gateway.url}/socket.io/?EIO=4&transport=polling`
      const opened = await (await fetch(base)).text()
      const { sid } = JSON.parse(opened.slice(1)) as { sid: string }
      const url = `${base}&sid=${sid}`
      const post = (body: string) =>
        fetch(url, { method: "POST", body }).then(
          ({ status }) => status,
          () => 0,
        )
      expect(await post(`40${JSON.stringify({ token: await token("poller") })}`)).toBe(200)
      await fetch(url).then((response) => response.text())
      const handled = () => gateway.metric("roomcast_client_events_total")
      const before = await handled()
      const events = Array.from({ length: 100_000 }, () => '42["x"]').join("\x1e")
      expect([0, 400, 413]).toContain(await post(events))
      await post(Array.from({ length: 20_000 }, () => '42["x"]').join("\x1e"))
      await until(
        "its session to be gone",
        async () =>
          (await fetch(url).then(
            ({ status }) => status,
            () => 0,
          )) === 400,
      )
      expect((await handled()) - before).toBeLessThan(1_000)
    }))

  it("events before CONNECT: the connection is closed and nothing is handled", () =>
    othersAreServed(async () => {
      const client = await raw(rawClient(gateway))
      client.send('42["room:join",{"room":"open:witness"}]')
      client.send('42["x",1]')
      await until("the offender to be gone", client.isGone)
    }))

  it.each([
    ["an event that is a number", '420[42,"x"]'],
    ["an event that is an object", '420[{"toString":1},"x"]'],
    ["a reserved name of Socket.IO", '420["disconnect","x"]'],
    ["a name of Object's prototype", '420["__proto__",{}]'],
    ["a name of Object's constructor", '420["constructor",{}]'],
    ["an ack that nobody asked for", '43999[{"a":1}]'],
    ["a binary event", '451-0["x",{"_placeholder":true,"num":0}]'],
    ["a binary event without attachments", '450-0["x"]'],
    ["a packet that is no JSON", '420["x",{]'],
    ["a packet of no type", "49[]"],
    ["an ack id beyond all bounds", '4299999999999999999999["x",1]'],
    ["a thousand levels of nesting", `420["x",${"[".repeat(1_000)}${"]".repeat(1_000)}]`],
    [
      "fifty thousand levels of nesting",
      `420["room:publish",{"room":"open:witness","event":"e","data":${"[".repeat(50_000)}${"]".repeat(50_000)}}]`,
    ],
    ["an event with more arguments than a stack holds", `420["x"${",1".repeat(110_000)}]`],
    ["a toJSON that is no function", '420["room:join",{"room":"open:witness","toJSON":1}]'],
  ])("%s does not bring the node down, nor another client", (_, packet) =>
    othersAreServed(async () => {
      const client = await raw(rawUser(gateway, "thrower"))
      client.send(packet)
      client.send('421["room:join",{"room":"open:thrower"}]')
      await until(
        "an answer or the end",
        () => client.isGone() || client.packets.some((answer) => answer.startsWith("431[")),
      )
      expect(gateway.process.exitCode).toBeNull()
    }),
  )

  it.each(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"])(
    "a member that publishes an event named %s, which stock clients close for, does not throw the room's members out",
    (event) =>
      othersAreServed(async () => {
        const client = await raw(rawUser(gateway, "evictor"))
        client.send('420["room:join",{"room":"open:witness"}]')
        client.send(`421["room:publish",{"room":"open:witness","event":"${event}","data":1}]`)
        await until("the answer", () => client.packets.some((packet) => packet.startsWith("431[")))
        expect(client.packets.find((packet) => packet.startsWith("431["))).toContain('"code":"reserved_event"')
        const { body, status } = await gateway.push({ users: ["witness"] }, event, 1)
        expect([status, body.code]).toEqual([422, "reserved_event"])
      }),
  )

  it("a client that connects and says nothing is closed in time", () =>
    othersAreServed(async () => {
      const client = await raw(rawClient(gateway))
      await until("its end", client.isGone, 15_000)
    }))

  it("a flood of events is answered with rate_limited, then cut", () =>
    othersAreServed(async () => {
      const client = await raw(rawUser(gateway, "flooder"))
      for (let i = 0; i < 300; i++) client.send(`42${i}["x",${i}]`)
      await until("an answer to each", () => client.packets.filter((packet) => packet.startsWith("43")).length === 300)
      expect(client.packets.filter((packet) => packet.includes("rate_limited")).length).toBeGreaterThan(50)
      for (let i = 0; i < 5_000; i++) client.send(`42${i}["x",${i}]`)
      await until("the offender to be gone", client.isGone)
    }))

  it("a hundred half-open handshakes and garbage upgrades stop nobody else, and are answered and cut in time", () =>
    othersAreServed(async () => {
      const { hostname, port } = new URL(gateway.url)
      const answers = Array.from({ length: 100 }, async (_, i) => {
        const socket = connect(Number(port), hostname)
        socket.on("error", () => undefined)
        let text = ""
        socket.on("data", (chunk: Buffer) => (text += chunk))
        socket.write(
          i % 2 === 0
            ? "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
            : "GET /socket.io/?EIO=4&transport=websocket&sid=nope HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        await until("the socket to be closed", () => socket.destroyed, 15_000)
        return text.slice(0, "HTTP/1.1 400".length)
      })
      expect(new Set(await Promise.all(answers))).toEqual(new Set(["HTTP/1.1 408", "HTTP/1.1 400"]))
    }))
})

const isDestroyed = (socket: unknown): boolean =>
  typeof socket === "object" && socket !== null && Reflect.get(socket, "destroyed") === true
