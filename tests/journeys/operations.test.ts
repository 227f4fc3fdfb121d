import { mkdtempSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { closeClients, connectClient, connected } from "#tests/support/client.ts"
import { API_KEY, type Gateway, startGateway } from "#tests/support/gateway.ts"
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

const handshake = (gateway: Gateway, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`, { headers })

describe("SIGTERM", () => {
  it("refuses new clients, sends those that are there away so that they come back, and exits with 0", async () => {
    const gateway = await start({ log: { level: "info", format: "json" } })
    const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => connectClient(gateway, `u${i}`)))
    const exit = gateway.stop()
    await until("everybody to be told", () => clients.every(({ closings }) => closings.length > 0))
    expect(clients.map(({ closings }) => closings[0])).toMatchObject(
      clients.map(() => ({ code: "draining", reconnect: true })),
    )
    expect(await exit).toBe(0)
    expect(gateway.output()).toContain('"message":"draining","connections":20')
    expect(clients.every(({ socket }) => socket.active)).toBe(true)
  })

  it("ends a node with a client that does not answer within the drain time", async () => {
    const gateway = await start({ drain: { time: "1s" } })
    const client = await connectClient(gateway, "mute")
    const transport: unknown = Reflect.get(client.socket.io.engine, "transport")
    const ws: unknown = Reflect.get(transport as object, "ws")
    ;(Reflect.get(ws as object, "_socket") as { pause: () => void } | undefined)?.pause()
    expect(await gateway.stop()).toBe(0)
  })
})

describe("requests under way at SIGTERM", () => {
  const BODY = '{"to":{"rooms":["open:a"]},"event":"e","data":1}'

  /** A push of which only the beginning of the body is sent. */
  const begin = async (gateway: Gateway) => {
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1")
    let answer = ""
    socket.on("data", (chunk) => (answer += chunk)).on("error", () => {})
    const head = `POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\nContent-Type: application/json`
    socket.write(`${head}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY.slice(0, 9)}`)
    await sleep(200)
    return { finish: () => socket.write(BODY.slice(9)), answer: () => answer }
  }

  it("are answered, and the node ends then, though their connection could be kept alive", async () => {
    const gateway = await start({ drain: { time: "60s" } })
    const push = await begin(gateway)
    const exit = gateway.stop()
    await sleep(500)
    push.finish()
    await until("the answer", () => push.answer().startsWith("HTTP/1.1 202"))
    const answeredAt = Date.now()
    expect(await exit).toBe(0)
    expect(Date.now() - answeredAt).toBeLessThan(25_000)
  })

  it("do not keep the node past its drain time by a body that never comes", async () => {
    const gateway = await start({ drain: { time: "1s" } })
    await begin(gateway)
    const stoppedAt = Date.now()
    expect(await gateway.stop()).toBe(0)
    expect(Date.now() - stoppedAt).toBeLessThan(25_000)
  })
})

describe("handshakes", () => {
  it("are refused with 503 and Retry-After on a full node, and let in when there is room", async () => {
    const gateway = await start({ limits: { connectionsPerNode: 2 } })
    const first = await connectClient(gateway, "a")
    await connectClient(gateway, "b")
    const refused = await handshake(gateway)
    expect([refused.status, Number(refused.headers.get("retry-after")) > 0, (await refused.json()).code]).toEqual([
      503,
      true,
      "node_full",
    ])
    // A page's client is to see that it may come again.
    expect(refused.headers.get("access-control-allow-origin")).toBe("*")
    const counted = () => gateway.metric('roomcast_connections_refused_total{code="node_full"}')
    expect(await counted()).toBe(1)
    const third = await connectClient(gateway, "c", { wait: false })
    await until("a refusal", () => third.errors.length > 0)
    expect(await counted()).toBeGreaterThan(1)
    expect(third.socket.active).toBe(true)
    first.socket.disconnect()
    await connected(third, 1)
  })

  it("are refused with 429 where they come too fast from one address, told apart by trusted proxies only", async () => {
    const gateway = await start({ limits: { connectsPerSecondPerAddress: 3 }, http: { trustedProxies: ["127.0.0.1"] } })
    const from = (address: string) =>
      Promise.all(
        Array.from({ length: 40 }, () =>
          handshake(gateway, { "x-forwarded-for": address }).then(({ status }) => status),
        ),
      )
    const statuses = await from("192.0.2.1")
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(3)
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(3)
    expect(await handshake(gateway, { "x-forwarded-for": "192.0.2.2" }).then(({ status }) => status)).toBe(200)

    const untrusting = await start({ limits: { connectsPerSecondPerAddress: 3 } })
    const spoofed = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        handshake(untrusting, { "x-forwarded-for": `192.0.2.${i}` }).then(({ status }) => status),
      ),
    )
    expect(spoofed.filter((status) => status === 429).length).toBeGreaterThanOrEqual(4)
    expect(untrusting.output().match(/X-Forwarded-For/g)).toHaveLength(1)
  })

  it("of pages of other origins are refused in production, on every transport", async () => {
    const gateway = await start(
      {
        http: { origins: ["https://app.example"] },
        jwt: { secret: "p4Nn8-zQ2_wE7-rT5_yU9-iO3_aS6-dF1" },
        apiKey: "rc_Jx8vQ2mK7sB4nW9pL3dF6hT1",
      },
      { NODE_ENV: "production" },
    )
    const status = async (headers: Record<string, string>) => (await handshake(gateway, headers)).status
    expect([
      await status({}),
      await status({ origin: "https://app.example" }),
      await status({ origin: "https://evil.example" }),
    ]).toEqual([200, 200, 403])
    // A page of the gateway's own origin is named like any other.
    const own = await handshake(gateway, { origin: gateway.url })
    expect([own.status, await own.json()]).toEqual([
      403,
      { code: "not_allowed", message: `pages of ${gateway.url} may not connect: it is not in http.origins` },
    ])
    const upgrade = await connectClient(gateway, "x", { wait: false, extraHeaders: { origin: "https://evil.example" } })
    await until("the refusal", () => upgrade.errors.length > 0)
    expect(upgrade.errors[0]?.message).toMatch(/websocket error/)
    expect(
      (await handshake(gateway, { origin: "https://app.example" })).headers.get("access-control-allow-origin"),
    ).toBe("https://app.example")
  })
})

describe("a record of the log", () => {
  it("has the folder of the code that logs as its category", async () => {
    const gateway = await start({ log: { level: "info", format: "json" } })
    await connectClient(gateway, "ann")
    await connectClient(gateway, "nobody", { wait: false, auth: { token: "none" } })
    await until("the records", () => /client refused.*\n/.test(gateway.output()))
    const categories = new Map(
      gateway
        .output()
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line))
        .map(({ category, message }) => [message, category]),
    )
    expect(categories.get("client connected")).toBe("roomcast.application")
    expect(categories.get("client refused")).toBe("roomcast.adapters.socketio")
  })
})

describe("development", () => {
  it("opens every room, and prints a key, a token and lines that work as printed", async () => {
    const gateway = await start({ jwt: {}, apiKey: undefined, rooms: undefined })
    await until("the banner", () => gateway.output().includes("curl"))
    const key = /rc_[\w-]{43}/.exec(gateway.output())?.[0]
    const token = /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(gateway.output())?.[0]
    const client = await connectClient(gateway, "demo", { auth: { token }, rooms: ["anything:at:all"] })
    const answer = await gateway.call(
      "POST",
      "/v1/messages",
      { to: { rooms: ["anything:at:all"] }, event: "hello", data: 1 },
      { authorization: `Bearer ${key}` },
    )
    expect(answer.status).toBe(202)
    await until("the message", () => client.received.length === 1)
  })
})

describe("handlers", () => {
  it("from a directory answer events, push, and keep their failures to themselves", async () => {
    const directory = mkdtempSync(join(tmpdir(), "roomcast-handlers-"))
    writeFileSync(
      join(directory, "chat.ts"),
      `import { defineHandler, z } from "roomcast"
       export default defineHandler({ event: "chat.send", timeout: "1s", input: z.object({ room: z.string(), text: z.string().min(1) }),
         async handle({ room, text }: { room: string; text: string }, { join, push, refuse, userId }) {
           if (text === "boom") throw new Error("a secret of the handler")
           if (text === "ask") return push({ to: { rooms: [room] }, event: "chat.ask", data: text, ack: { timeoutMs: 900 } })
           if (text === "hang") return new Promise(() => {})
           if (text === "rude") refuse("rude", "be nice")
           await join(room)
           return push({ to: { rooms: [room] }, event: "chat.message", data: { text, from: userId } }) } })`,
    )
    writeFileSync(
      join(directory, "gate.mjs"),
      `import { defineHandler } from "roomcast"
       export default defineHandler({ on: "connect", handle(_, { refuse, userId }) { if (userId === "banned") refuse("banned", "go away") } })`,
    )
    writeFileSync(
      join(directory, "errors.mjs"),
      `import { defineHandler } from "roomcast"
       export default defineHandler({ on: "error", handle({ code, event }, { log }) { log.info("told of an error", { about: event + " " + code }) } })`,
    )
    const gateway = await start({ handlers: directory, log: { level: "info", format: "json" } })
    const client = await connectClient(gateway, "ann")
    const answer = await client.ask("chat.send", { room: "open:chat", text: "hi" })
    expect(answer).toMatchObject({ ok: true, data: { id: expect.any(String), offset: expect.any(String) } })
    await until("the message", () => client.received.length === 1)
    expect(client.received[0]).toMatchObject({ event: "chat.message", data: { text: "hi", from: "ann" } })
    client.socket.on("chat.ask", (_data, _meta, ack) => ack("yes"))
    expect(await client.ask("chat.send", { room: "open:chat", text: "ask" })).toMatchObject({
      ok: true,
      data: { responses: [{ connectionId: client.socket.id, userId: "ann", data: "yes" }], missing: [] },
    })
    const refused = await Promise.all(
      ["", "boom", "hang", "rude"].map((text) => client.ask("chat.send", { room: "open:chat", text })),
    )
    expect(refused.map(({ error }) => error.code)).toEqual([
      "invalid_request",
      "handler_failed",
      "handler_failed",
      "rude",
    ])
    expect(JSON.stringify(refused)).not.toContain("secret of the handler")
    await until("the failure to be logged", () => gateway.output().includes("a secret of the handler"))
    await until("the handler of errors to be told", () => gateway.output().includes("chat.send rude"))
    const banned = await connectClient(gateway, "banned", { wait: false })
    await until("the refusal", () => banned.errors.length === 1)
    expect(banned.errors[0]?.data?.code).toBe("banned")
    await until("the record", () => /"message":"client refused",.*"code":"banned"/.test(gateway.output()))
    expect(gateway.output()).not.toContain(API_KEY)
  })
})
