import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Webhook } from "standardwebhooks"

export const WEBHOOK_SECRET = `whsec_${Buffer.from("a-secret-of-the-tests-backend-00").toString("base64")}`

export interface Hook {
  readonly type: string
  readonly timestamp: string
  // biome-ignore lint/suspicious/noExplicitAny: the data of a webhook, looked into by the tests
  readonly data: any
}

/** What a backend answers: a status and JSON, or a whole answer of its own. */
export type Answer = { readonly status: number; readonly body?: unknown } | ((response: ServerResponse) => void)

export interface Backend {
  readonly url: string
  /** Each request whose signature was right, in the order received. */
  readonly hooks: Hook[]
  readonly badSignatures: () => number
  answer: (hook: Hook) => Answer
  readonly stop: () => Promise<void>
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** The user's own server: checks each signature as the Standard Webhooks library does. */
export const startBackend = async (): Promise<Backend> => {
  const verifier = new Webhook(WEBHOOK_SECRET)
  const hooks: Hook[] = []
  let bad = 0
  const server = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request)
      try {
        verifier.verify(body, request.headers as Record<string, string>)
      } catch {
        bad++
        response.writeHead(401).end()
        return
      }
      const hook: Hook = JSON.parse(body)
      hooks.push(hook)
      const answer = backend.answer(hook)
      if (typeof answer === "function") return answer(response)
      response.writeHead(answer.status, { "content-type": "application/json" })
      response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body))
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const backend: Backend = {
    url: `http://127.0.0.1:${port}/hooks`,
    hooks,
    badSignatures: () => bad,
    answer: () => ({ status: 204 }),
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
  return backend
}
