import { once } from "node:events"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Webhook } from "standardwebhooks"

/** base64 of 32 bytes. */
export const SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly id: string
  readonly type: string
  readonly timestamp: string
  readonly data: Record<string, unknown>
  /** What the signature's check said; undefined: it is valid. */
  readonly signatureFault: string | undefined
  /** ms since 1970 */
  readonly at: number
}

export type Answer = (response: ServerResponse, received: Received, request: IncomingMessage) => void

export interface LocalBackend extends AsyncDisposable {
  readonly url: string
  readonly received: Received[]
  /** TCP connections that were opened to it. */
  readonly connections: () => number
  /** How the next and all later requests are answered; at first: 200 `{"ok":true}`. */
  answer: Answer
}

/** Answers with a status and JSON, or text as it is. */
export const reply =
  (status: number, body?: unknown, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(status, headers)
    response.end(body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body))
  }

/** A user's server as a user would write it: it checks every signature with the library. */
export const startBackend = async (): Promise<LocalBackend> => {
  const received: Received[] = []
  const webhook = new Webhook(SECRET)
  let connections = 0
  const backend = { answer: reply(200, { ok: true }) }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString("utf8")
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    let signatureFault: string | undefined
    try {
      webhook.verify(body, headers)
    } catch (error) {
      signatureFault = String(error)
    }
    const one: Received = {
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers,
      id: headers["webhook-id"] ?? "",
      ...JSON.parse(body),
      signatureFault,
      at: Date.now(),
    }
    received.push(one)
    backend.answer(response, one, request)
  })
  server.on("connection", () => {
    connections++
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return Object.assign(backend, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks?from=roomcast`,
    received,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  })
}

/** Waits until something is so; fails after 10 s. */
export const until = async (what: string, holds: () => boolean): Promise<void> => {
  const deadline = Date.now() + 10_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`)
    await new Promise((done) => setTimeout(done, 5))
  }
}
