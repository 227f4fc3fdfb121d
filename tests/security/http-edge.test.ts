import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeClients, connectClient } from "#tests/support/client.ts"
import { API_KEY, type Gateway, startGateway } from "#tests/support/gateway.ts"
import { until } from "#tests/support/until.ts"

let gateway: Gateway
let handlers: string
beforeAll(async () => {
  handlers = mkdtempSync(join(tmpdir(), "roomcast-handlers-"))
  writeFileSync(
    join(handlers, "careless.mjs"),
    `import { defineHandler } from "roomcast"
     export default defineHandler({ event: "careless", handle(room, { push }) {
       void push({ to: { rooms: [room] }, event: "e", data: 1 })
       return "sent"
     } })`,
  )
  gateway = await startGateway({ handlers })
})
afterAll(async () => {
  closeClients()
  await gateway.stop()
  rmSync(handlers, { recursive: true, force: true })
})

/** Writes bytes and reads until the server closes or the answer is whole. */
const talk = (text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1")
    let answer = ""
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no end, only: ${answer}`)))
    socket.on("data", (data) => (answer += data.toString("latin1")))
    socket.on("close", () => resolve(answer))
    socket.on("error", reject)
    socket.write(text)
  })

const parts = (answer: string) => {
  const [head = "", body = ""] = answer.split("\r\n\r\n")
  return { status: Number(head.split(" ")[1]), head, body }
}

describe("a request that offers another protocol", () => {
  it("is served as it is: a push of Java's HttpClient, which offers h2c, is taken", async () => {
    const body = JSON.stringify({ to: { rooms: ["open:java"] }, event: "e", data: 1 })
    const answer = await talk(
      [
        "POST /v1/messages HTTP/1.1",
        "Host: localhost",
        `Authorization: Bearer ${API_KEY}`,
        "Connection: close, Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
        "",
        body,
      ].join("\r\n"),
    )
    expect(parts(answer).status).toBe(202)
  })

  it("gets an answer, not a cut, where there is no WebSocket", async () => {
    const answer = await talk(
      "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    expect(parts(answer).status).toBe(200)
  })
})

describe("a request that expects what nobody knows", () => {
  it("is served, with a request's id like every other", async () => {
    const { body, head, status } = parts(
      await talk("GET /readyz HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nConnection: close\r\n\r\n"),
    )
    expect([status, body]).toEqual([200, "ok"])
    expect(head.toLowerCase()).toContain("x-request-id: ")
  })
})

describe("what is no request", () => {
  it("is answered with a problem and a request's id, and counted", async () => {
    const before = await gateway.metric('roomcast_errors_answered_total{code="invalid_request",edge="http"}')
    const { body, head, status } = parts(await talk("NONSENSE\r\n\r\n"))
    expect(status).toBe(400)
    expect(head).toMatch(/^content-type: application\/problem\+json$/im)
    const id = /^x-request-id: (\S+)$/im.exec(head)?.[1]
    expect(JSON.parse(body)).toMatchObject({
      status: 400,
      code: "invalid_request",
      instance: `urn:roomcast:request:${id}`,
    })
    expect(await gateway.metric('roomcast_errors_answered_total{code="invalid_request",edge="http"}')).toBe(before + 1)
  })

  it("is told so where its headers are too long", async () => {
    const { body, status } = parts(await talk(`GET /livez HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(100_000)}\r\n\r\n`))
    expect(status).toBe(431)
    expect(JSON.parse(body)).toMatchObject({ status: 431, code: "invalid_request" })
  })

  it("holds no socket of the gateway's by holding its own side open", async () => {
    const socket = connect({ port: Number(new URL(gateway.url).port), host: "127.0.0.1", allowHalfOpen: true })
    let isGone = false
    socket.on("close", () => (isGone = true)).on("error", () => undefined)
    socket.resume().write("NONSENSE\r\n\r\n")
    await new Promise((resolve) => socket.once("end", resolve))
    await until("the end of both sides", () => {
      socket.write("more")
      return isGone
    })
  })

  it("may be a probe in HTTP/1.0, which names no host", async () => {
    const { body, status } = parts(await talk("GET /readyz HTTP/1.0\r\n\r\n"))
    expect([status, body]).toEqual([200, "ok"])
  })
})

describe("a batch full of what is wrong", () => {
  const send = (rooms: string) =>
    gateway.call("POST", "/v1/messages/batch", `{"messages":[{"to":{"rooms":[${rooms}]},"event":"e","data":1}]}`)

  it.each([
    ["numbers for rooms", "1"],
    ["names that are none", '""'],
  ])("costs no more memory than its size: millions of %s are refused, the first hundred by name", async (_, room) => {
    const before = await gateway.memory()
    const answer = await send(Array(3_000_000).fill(room).join(","))
    const [result] = answer.body.results
    expect(result).toMatchObject({ status: 422, code: "invalid_request" })
    expect(result.errors).toHaveLength(100)
    expect((await gateway.memory()) - before).toBeLessThan(600_000_000)
  })
})

describe("a handler that forgets an await", () => {
  it("ends nobody's connection: the refusal is logged", async () => {
    const client = await connectClient(gateway, "ann", { rooms: ["open:a"] })
    expect(await client.ask("careless", "nosuch:room")).toEqual({ ok: true, data: "sent" })
    await until("the log", () => gateway.output().includes("nobody waited for it"))
    expect(gateway.output()).toContain("unknown_room")
    expect(await client.ask("careless", "open:a")).toEqual({ ok: true, data: "sent" })
    await until("the message", () => client.received.length === 1)
    expect(client.disconnects).toEqual([])
  })
})
