import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type Client, closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startGateway } from "#tests/support/gateway.ts"
import { until } from "#tests/support/until.ts"

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(closeClients)
afterAll(() => gateway.stop())

const ROOMS = ["open:one", "open:two", "open:three"]
const MESSAGES = 10_000
const IN_A_BATCH = 50

/** Pushes MESSAGES to the rooms in turn, some to two of them, as fast as the API takes them. */
const pushAll = async (): Promise<void> => {
  const message = (n: number) => {
    const room = ROOMS[n % 3]
    const to = n % 7 === 0 ? { rooms: [room, ROOMS[(n + 1) % 3]] } : { rooms: [room] }
    return { to, event: "n", data: n }
  }
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < MESSAGES) {
      const first = next
      next += IN_A_BATCH
      const messages = Array.from({ length: IN_A_BATCH }, (_, i) => message(first + i))
      const { body, status } = await gateway.call("POST", "/v1/messages/batch", { messages })
      if (status !== 200 || body.results.some((result: { status: number }) => result.status !== 202))
        throw new Error(`a push failed: ${JSON.stringify(body).slice(0, 300)}`)
    }
  }
  await Promise.all([worker(), worker()])
}

interface Tally {
  readonly lost: number
  readonly twice: number
  readonly disorder: number
  readonly notRecovered: number
}

const tally = (client: Client): Tally => {
  const numbers = client.received.map(({ data }) => data as number)
  const distinct = new Set(numbers)
  let disorder = 0
  for (const room of ROOMS) {
    const offsets = client.received.filter(({ meta }) => meta.room === room).map(({ meta }) => meta.offset ?? "")
    for (let i = 1; i < offsets.length; i++) if ((offsets[i] ?? "") <= (offsets[i - 1] ?? "")) disorder++
  }
  return {
    lost: MESSAGES - distinct.size,
    twice: numbers.length - distinct.size,
    disorder,
    notRecovered: client.recovered.slice(1).filter((was) => !was).length,
  }
}

describe.each([
  ["websocket", ["websocket"]],
  ["polling", ["polling"]],
  ["polling that upgrades", ["polling", "websocket"]],
])("clients by %s, dropped again and again, that join their rooms on every connect", (_, transports) => {
  it(`get every one of ${MESSAGES} messages once, in order, and are told that they recovered`, async () => {
    const clients = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        connectClient(gateway, `user-${i}`, { rooms: ROOMS, transports, reconnectionDelay: 30 }),
      ),
    )
    let running = true
    let drops = 0
    const dropping = async (): Promise<void> => {
      while (running) {
        for (const client of clients)
          if (client.socket.connected && Math.random() < 0.3) {
            client.drop()
            drops++
          }
        await sleep(40 + Math.random() * 60)
      }
    }
    const dropper = dropping()
    await pushAll()
    running = false
    await dropper
    await until(
      "every message at every client",
      () => clients.every((client) => new Set(client.received.map(({ data }) => data)).size === MESSAGES),
      30_000,
    ).catch(() => undefined)
    const nothing: Tally = { lost: 0, twice: 0, disorder: 0, notRecovered: 0 }
    expect(clients.map(tally)).toEqual(clients.map(() => nothing))
    expect(drops).toBeGreaterThan(10)
    expect(clients.every(({ recovered }) => recovered[0] === false)).toBe(true)
  }, 90_000)
})
