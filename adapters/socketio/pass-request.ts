import { type IncomingMessage, request as open, type ServerResponse } from "node:http"
import { endToEndHeaders } from "./end-to-end-headers.ts"
import type { RequestPassage } from "./passage.ts"

/**
 * Sends a polling request to another node and its answer back, by pipes: neither is held as a whole. Who goes away takes
 * the other side along; so does an answer that comes before the request's body is there, which is then read and dropped.
 *
 * Only a POST's body goes with it: Node would write a GET's without its length, and the next node read it as a request.
 */
export const passRequest = (request: IncomingMessage, response: ServerResponse, passage: RequestPassage): void => {
  const { agent, gone, headers, host, port, waits } = passage
  const { method = "GET", url = "/" } = request
  const hasBody = method === "POST"
  const { "content-length": length, ...others } = headers
  const upstream = open({
    host,
    port,
    agent,
    method,
    path: url,
    headers: hasBody && length !== undefined ? { ...others, "content-length": length } : others,
  })
  let timer: NodeJS.Timeout | undefined
  const lapsed = (): void => {
    passage.late()
    if (response.headersSent) response.destroy()
    else upstream.destroy(new Error("the node takes too long"))
  }
  const wait = (ms: number): void => {
    clearTimeout(timer)
    timer = setTimeout(lapsed, ms)
  }
  let isOver = false
  const over = (): void => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    passage.done()
  }

  wait(waits.connectMs)
  upstream.on("socket", (tcp) => {
    if (tcp.connecting) tcp.once("connect", () => wait(waits.answerMs))
    else wait(waits.answerMs)
  })
  upstream.on("response", (answer) => {
    wait(waits.answerMs)
    response.writeHead(answer.statusCode ?? 502, endToEndHeaders(answer.headers))
    response.flushHeaders()
    answer.on("error", () => response.destroy())
    answer.pipe(response)
  })
  upstream.on("error", () => {
    if (isOver) return
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    over()
    request.unpipe(upstream)
    request.resume()
    gone()
  })
  response.on("close", () => {
    over()
    if (response.writableFinished && upstream.writableFinished) return
    request.unpipe(upstream)
    request.resume()
    upstream.destroy()
  })
  if (hasBody) request.pipe(upstream)
  else {
    request.resume()
    upstream.end()
  }
}
