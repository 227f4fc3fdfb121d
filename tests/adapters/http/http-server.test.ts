import { createServer, type Server } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { getRequestListener } from "@hono/node-server"
import { afterEach, expect, it } from "vitest"
import { answerMalformed } from "#adapters/http/malformed-request.ts"
import { KEYS, PUSH, startHttp } from "./http-fixture.ts"

const running: { readonly server: Server; readonly http: Awaited<ReturnType<typeof startHttp>> }[] = []

const listen = async (options: Parameters<typeof startHttp>[0] = {}) => {
  const http = await startHttp(options)
  const errorHandler = answerMalformed(http.runtime)
  const server = createServer(getRequestListener(http.app.fetch, { errorHandler, overrideGlobalObjects: false }))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  running.push({ server, http })
  return { http, port: (server.address() as AddressInfo).port }
}

afterEach(async () => {
  for (const { server, http } of running.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await http[Symbol.asyncDispose]()
  }
})

/** Writes bytes and reads until the server closes, or until so many answers have begun. */
const talk = (port: number, parts: readonly string[], answers = 1): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1")
    let text = ""
    socket.setTimeout(5_000, () => socket.destroy(new Error(`no answer, only: ${text}`)))
    socket.on("data", (data) => {
      text += data.toString("latin1")
      const begun = text.split("HTTP/1.1 ").length - 1
      if (begun >= answers && /\r\n\r\n(?:.|\n)*(?:\}|^$)/.test(text.slice(text.lastIndexOf("HTTP/1.1 ")))) socket.end()
    })
    socket.on("close", () => resolve(text))
    socket.on("error", (error) => (text === "" ? reject(error) : resolve(text)))
    for (const part of parts) socket.write(part)
  })

const HEAD = ["Host: localhost", `Authorization: Bearer ${KEYS.all}`, "Content-Type: application/json"]
const request = (line: string, headers: readonly string[], body = ""): string =>
  `${[line, ...HEAD, ...headers].join("\r\n")}\r\n\r\n${body}`

const BODY = JSON.stringify(PUSH)
const good = request("POST /v1/messages HTTP/1.1", [`Content-Length: ${BODY.length}`], BODY)

it("answers pushes over one connection, one after the other", async () => {
  const { port } = await listen()
  const text = await talk(port, [good, good], 2)
  expect(text.match(/HTTP\/1\.1 202/g)).toHaveLength(2)
})

it("answers 413 to a chunked body that is too long, while another connection is served", async () => {
  const { port } = await listen({ app: { bodyLimits: { push: 200, batch: 200, other: 200 } } })
  const chunk = `40\r\n${" ".repeat(64)}\r\n`
  const chunked = [request("POST /v1/messages HTTP/1.1", ["Transfer-Encoding: chunked"]), ...Array(50).fill(chunk)]
  const [refused, served] = await Promise.all([talk(port, chunked), talk(port, [good])])
  expect(refused).toMatch(/^HTTP\/1\.1 413 /)
  expect(refused).toContain("payload_too_large")
  expect(served).toMatch(/^HTTP\/1\.1 202 /)
})

it("answers 413 before a body is sent that says it is too long", async () => {
  const { port } = await listen()
  const text = await talk(port, [request("POST /v1/messages HTTP/1.1", ["Content-Length: 99999999"])])
  expect(text).toMatch(/^HTTP\/1\.1 413 /)
})

it("serves the connection on after a refused body has been sent to its end", async () => {
  const { port } = await listen({ app: { bodyLimits: { push: 200, batch: 200, other: 200 } } })
  const long = " ".repeat(2_000)
  const refused = request("POST /v1/messages HTTP/1.1", [`Content-Length: ${long.length}`], long)
  const text = await talk(port, [refused, good], 2)
  expect(text).toMatch(/^HTTP\/1\.1 413 /)
  expect(text).toContain("HTTP/1.1 202 ")
})

it.each([
  ["a backslash in the path", "GET /v1\\messages HTTP/1.1", 422],
  ["TRACE", "TRACE /v1/messages HTTP/1.1", 405],
  ["dots that leave the path", "GET /../../etc/passwd HTTP/1.1", 404],
  ["a NUL in the path", "GET /v1/rooms/%00 HTTP/1.1", 422],
])("answers a problem to %s", async (_, line, status) => {
  const { port } = await listen()
  const text = await talk(port, [request(line, [])])
  expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(text.toLowerCase()).toContain("content-type: application/problem+json")
  expect(text.toLowerCase()).toMatch(/x-request-id: [\w.-]+/)
})

it("logs no error for a caller that goes away in the middle of its body", async () => {
  const { http, port } = await listen()
  await new Promise<void>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(request("POST /v1/messages HTTP/1.1", ["Content-Length: 500"], "{"), () => {
        setTimeout(() => socket.destroy(), 20)
      })
    })
    socket.on("close", () => resolve())
  })
  const deadline = Date.now() + 5_000
  while (http.recorder.calls.httpRequest.length === 0 && Date.now() < deadline)
    await new Promise((r) => setTimeout(r, 5))
  expect(http.recorder.calls.httpRequest).toMatchObject([["POST", "/v1/messages", 422, expect.any(Number)]])
  expect(http.lines.filter(({ level }) => level === "Error")).toEqual([])
})
