import { spawn } from "node:child_process"
import type { ServerResponse } from "node:http"
import { connect } from "node:net"
import process from "node:process"
import { afterEach, describe, expect, it } from "vitest"
import { SECRET } from "#tests/support/passing-nodes.ts"
import { metricOf, startSocketioNode } from "#tests/support/socketio-node.ts"
import { settle, until } from "#tests/support/until.ts"
import { closeAll, firstOn, get, RUNTIMES, SESSION, startOwner, UPGRADE, WEBSOCKET, write } from "./passing-fixture.ts"

afterEach(closeAll)

const UNKNOWN = { code: 1, message: "Session ID unknown" }
const PASSED = "roomcast_requests_passed_on"

/** A port whose system takes no more connections: they hang as with a machine that is gone. */
const fullPort = async (): Promise<{ readonly port: number; readonly stop: () => void }> => {
  const script = `const s = require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    console.log(s.address().port); process.kill(process.pid, "SIGSTOP") })`
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] })
  let output = ""
  child.stdout.on("data", (chunk) => (output += chunk))
  await until("a port", () => output.includes("\n"))
  const port = Number(output)
  const fillers = Array.from({ length: 8 }, () => connect(port, "127.0.0.1").on("error", () => undefined))
  await settle(300)
  expect(fillers.some(({ connecting }) => connecting)).toBe(true)
  return {
    port,
    stop: () => {
      for (const filler of fillers) filler.destroy()
      child.kill("SIGKILL")
    },
  }
}

describe.each(RUNTIMES)("on %s", (runtime) => {
  const startFirst = firstOn(runtime)

  describe("a request that is passed on", () => {
    it("comes with the secret and its client's address, not with what a stranger wrote there", async () => {
      const owner = await startOwner()
      const first = await startFirst(owner.url)
      const forged = { "x-roomcast-hop": "guessed", "x-roomcast-client": "192.0.2.9", "x-forwarded-for": "192.0.2.8" }
      expect(await (await fetch(first.url + SESSION, { headers: forged })).text()).toBe("ok")
      expect(owner.requests[0]?.headers).toMatchObject({ "x-roomcast-hop": SECRET, "x-roomcast-client": "127.0.0.1" })
    })

    it("comes with the address that a trusted proxy saw", async () => {
      const owner = await startOwner()
      const first = await startFirst(owner.url, { change: { http: { trustedProxies: ["127.0.0.1"] } } })
      await fetch(first.url + SESSION, { headers: { "x-forwarded-for": "192.0.2.8" } })
      expect(owner.requests[0]?.headers["x-roomcast-client"]).toBe("192.0.2.8")
    })

    it("comes with what its client sent, less what was about the connection", async () => {
      const owner = await startOwner()
      const first = await startFirst(owner.url)
      const about =
        "Connection: close, x-mine\r\nX-Mine: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Authorization: p\r\n"
      const client = write(first.url, get(SESSION, `${about}Cookie: a=b\r\nOrigin: https://app.example\r\n`))
      await until("the answer", () => client.text().endsWith("ok\r\n0\r\n\r\n") || client.text().endsWith("ok"))
      const { headers, url } = owner.requests[0] ?? {}
      expect(url).toBe(SESSION)
      expect(headers).toMatchObject({ cookie: "a=b", origin: "https://app.example", host: "x" })
      for (const name of ["x-mine", "te", "upgrade", "proxy-authorization"]) expect(headers).not.toHaveProperty(name)
      expect(headers?.connection).not.toMatch(/x-mine/)
    })

    it("carries a body of any form once", async () => {
      const owner = await startOwner((request, response) => void request.on("end", () => response.end("ok")))
      const first = await startFirst(owner.url)
      const post = (headers: string, body: string) =>
        write(first.url, `POST ${SESSION} HTTP/1.1\r\nHost: x\r\n${headers}\r\n${body}`)
      post("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello")
      post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")
      await until("both", () => owner.bodies.includes("hello") && owner.bodies.includes("hello!"))
      expect(owner.requests.length).toBe(2)
    })

    it("takes no second request along in the body of a GET", async () => {
      const owner = await startOwner()
      const first = await startFirst(owner.url)
      const hidden = get("/hidden")
      const clients = [
        `Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
        `Transfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
      ].map((rest) => write(first.url, `GET ${SESSION} HTTP/1.1\r\nHost: x\r\n${rest}`))
      await until("the answers", () => clients.every(({ text }) => text().includes("ok")))
      await fetch(first.url + SESSION)
      expect(owner.requests.map(({ url }) => url)).toEqual([SESSION, SESSION, SESSION])
      expect(owner.bodies).toEqual(["", "", ""])
    })

    it("is answered as the other node answers, from its first byte on", async () => {
      let answering: ServerResponse | undefined
      const owner = await startOwner((_, response) => {
        response.writeHead(418, { "x-theirs": "1", "set-cookie": ["a=1", "b=2"], "keep-alive": "timeout=99" })
        response.flushHeaders()
        answering = response
      })
      const first = await startFirst(owner.url)
      const answer = await fetch(first.url + SESSION)
      expect([answer.status, answer.headers.get("x-theirs"), answer.headers.getSetCookie()]).toEqual([
        418,
        "1",
        ["a=1", "b=2"],
      ])
      expect(answer.headers.get("keep-alive")).not.toBe("timeout=99")
      answering?.end("body")
      expect(await answer.text()).toBe("body")
    })

    it("is not answered faster than its client reads", async () => {
      const size = 64_000_000
      let answering: ServerResponse | undefined
      const owner = await startOwner((_, response) => {
        answering = response
        response.end(Buffer.alloc(size, "x"))
      })
      const first = await startFirst(owner.url)
      const { tcp } = write(first.url, get(SESSION))
      tcp.pause()
      await until("it to be answered", () => answering !== undefined)
      await settle(500)
      expect(answering?.writableLength).toBeGreaterThan(0)
      let read = 0
      tcp.on("data", (chunk: Buffer) => (read += chunk.length))
      tcp.resume()
      await until("all of it", () => read > size)
      expect(answering?.writableLength).toBe(0)
    })

    it("waits for an answer longer than a connection is kept for the next request", async () => {
      const owner = await startOwner((_, response) => void setTimeout(() => response.end("late"), 3_000))
      const first = await startFirst(owner.url)
      expect(await (await fetch(first.url + SESSION)).text()).toBe("late")
      expect(owner.connections()).toBe(1)
      await until("the connection to be closed by who opened it", () => owner.connections() === 0)
    })

    it("comes with headers byte for byte, whatever characters they are taken for on the way", async () => {
      const owner = await startOwner()
      const first = await startFirst(owner.url)
      const lines = "X-Strange: \u00e9 \u20ac \u010aX-Injected: 1\r\nX-Plain: a\tb\r\n"
      const client = write(first.url, get(SESSION, lines))
      await until("the answer", () => client.text().includes("ok"))
      write(first.url, get(WEBSOCKET, UPGRADE + lines))
      await until("the upgrade", () => owner.upgrades.length === 1)
      for (const request of [owner.requests[0], owner.upgrades[0]?.request]) {
        const strange = Buffer.from(String(request?.headers["x-strange"]), "latin1").toString()
        expect([strange, request?.headers["x-plain"]]).toEqual(["\u00e9 \u20ac \u010aX-Injected: 1", "a\tb"])
        expect(request?.headers).not.toHaveProperty("x-injected")
      }
    })

    it("is cut where its client does not read the answer", async () => {
      const owner = await startOwner((_, response) => void response.end(Buffer.alloc(64_000_000)))
      const first = await startFirst(owner.url, { passOn: { waits: { answerMs: 300 } } })
      write(first.url, get(SESSION)).tcp.pause()
      await until("it to be passed on", () => owner.requests.length === 1)
      await until("it to be gone here", async () => (await metricOf(first.url, PASSED)) === 0)
      await until("it to be gone there", () => owner.requests[0]?.socket.destroyed === true)
      expect(await metricOf(first.url, 'roomcast_limit_hits_total{limit="pass_on_wait"}')).toBe(1)
    })

    it("whose body nobody takes leaves its connection to the next", async () => {
      const first = await startFirst("http://127.0.0.1:1")
      const body = "x".repeat(2_000_000)
      const client = write(
        first.url,
        `POST ${SESSION} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}${get(SESSION)}`,
      )
      await until("both answers", () => client.text().split("Session ID unknown").length === 3 || client.isClosed())
      expect(client.text()).toMatch(/^HTTP\/1\.1 400 /)
    })

    it("that is answered before its body is there holds nothing of the other node, and leaves its connection to the next", async () => {
      const owner = await startOwner()
      const first = await startFirst(owner.url)
      const client = write(first.url, `POST ${SESSION} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc`)
      await until("the answer", () => client.text().includes("ok"))
      await until("it to be gone there", () => owner.requests[0]?.socket.destroyed === true)
      client.tcp.write(`def${get(SESSION)}`)
      await until("the next one's answer", () => client.text().split("HTTP/1.1 200").length === 3)
    })

    it("is given up there when its client goes away", async () => {
      const owner = await startOwner(() => undefined)
      const first = await startFirst(owner.url)
      const { tcp } = write(first.url, get(SESSION))
      await until("the other node to have it", () => owner.requests.length === 1)
      expect(await metricOf(first.url, PASSED)).toBe(1)
      tcp.destroy()
      await until("it to be gone there", () => owner.requests[0]?.socket.destroyed === true)
      await until("it to be gone here", async () => (await metricOf(first.url, PASSED)) === 0)
    })

    it("is cut where the other node dies in the middle of an answer", async () => {
      const owner = await startOwner((request, response) => {
        response.writeHead(200, { "content-length": "100" })
        response.write("half")
        setTimeout(() => request.socket.destroy(), 50)
      })
      const first = await startFirst(owner.url)
      const answer = await fetch(first.url + SESSION)
      await expect(answer.text()).rejects.toThrow()
      await until("it to be over", async () => (await metricOf(first.url, PASSED)) === 0)
    })
  })

  describe("what is not passed on", () => {
    it("is a request that another node passed on already, and any method that engine.io does not take", async () => {
      const owner = await startOwner()
      const first = await startFirst(owner.url)
      const hop = await fetch(first.url + SESSION, { headers: { "x-roomcast-hop": SECRET } })
      expect([hop.status, await hop.json()]).toEqual([400, UNKNOWN])
      const preflight = await fetch(first.url + SESSION, {
        method: "OPTIONS",
        headers: { origin: "https://app.example", "access-control-request-method": "POST" },
      })
      expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([
        204,
        "https://app.example",
      ])
      await (await fetch(first.url + SESSION, { method: "PUT", body: "x" })).text()
      expect(owner.requests).toEqual([])
    })

    it("is more than the most at once: 503, and a limit hit", async () => {
      const waiting: ServerResponse[] = []
      const owner = await startOwner((_, response) => void waiting.push(response))
      const first = await startFirst(owner.url, { passOn: { most: { requests: 2, relays: 0 } } })
      const held = [fetch(first.url + SESSION), fetch(first.url + SESSION)]
      await until("two to wait", () => waiting.length === 2)
      const refused = await fetch(first.url + SESSION)
      expect([refused.status, (await refused.json()).code, refused.headers.has("retry-after")]).toEqual([
        503,
        "node_full",
        true,
      ])
      expect(await metricOf(first.url, 'roomcast_limit_hits_total{limit="requests_passed_on"}')).toBe(1)
      for (const response of waiting) response.end("ok")
      await Promise.all(held.map(async (answer) => expect((await answer).status).toBe(200)))
      await until("room again", async () => (await metricOf(first.url, PASSED)) === 0)
      const again = fetch(first.url + SESSION)
      await until("a third", () => waiting.length === 3)
      waiting[2]?.end("ok")
      expect((await again).status).toBe(200)
    })
  })

  describe("a client's address that came with a request", () => {
    const from = (url: string, address: string, secret: string) =>
      fetch(`${url}/socket.io/?EIO=4&transport=polling`, {
        headers: { "x-roomcast-hop": secret, "x-roomcast-client": address },
      }).then(({ status }) => status)
    const twelve = (url: string, secret: string) =>
      Promise.all(Array.from({ length: 12 }, (_, i) => from(url, `192.0.2.${i}`, secret)))

    it("is what handshakes are counted by where the secret is right, and is not where it is wrong", async () => {
      const change = { limits: { connectsPerSecondPerAddress: 3 } }
      const { url } = await startFirst("http://127.0.0.1:1", { change })
      expect(new Set(await twelve(url, SECRET))).toEqual(new Set([200]))
      expect((await twelve(url, "guessed")).filter((status) => status === 429).length).toBeGreaterThanOrEqual(6)
    })

    it("is not believed where it is no address", async () => {
      const { url } = await startFirst("http://127.0.0.1:1", { change: { limits: { connectsPerSecondPerAddress: 3 } } })
      const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => from(url, `x${i}`, SECRET)))
      expect(answers.filter((status) => status === 429).length).toBeGreaterThanOrEqual(6)
    })
  })

  it("a node that cannot be reached within the connect time-out is as one that is gone", async () => {
    const { port, stop } = await fullPort()
    try {
      const first = await startFirst(`http://127.0.0.1:${port}`, { passOn: { waits: { connectMs: 300 } } })
      const answer = await fetch(first.url + SESSION, { method: "POST", body: "40" })
      expect([answer.status, await answer.json()]).toEqual([400, UNKNOWN])
      expect(await metricOf(first.url, PASSED)).toBe(0)
    } finally {
      stop()
    }
  })
})

it("what is open is cut the oldest first, as many as are asked for; a POST ends by itself", async () => {
  const owner = await startOwner(() => undefined)
  const nodes = new Map([["other", owner.url]])
  const first = await startSocketioNode({ node: "first", nodes, secret: SECRET })
  try {
    const post = write(first.url, `POST ${SESSION} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40`)
    await until("the POST", () => owner.requests.length === 1)
    const poll = write(first.url, get(SESSION))
    await until("the poll", () => owner.requests.length === 2)
    const websocket = write(first.url, get(WEBSOCKET, UPGRADE))
    await until("the WebSocket", () => owner.upgrades.length === 1)
    expect(first.passedOn.size).toBe(2)
    first.passedOn.closeOldest(1)
    await until("the poll to be cut", poll.isClosed)
    expect([websocket.isClosed(), first.passedOn.size]).toEqual([false, 1])
    first.passedOn.closeOldest(5)
    await until("the WebSocket to be cut", websocket.isClosed)
    expect([post.isClosed(), first.passedOn.size]).toEqual([false, 0])
  } finally {
    await first.close()
  }
})
