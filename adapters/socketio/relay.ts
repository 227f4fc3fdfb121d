import type { IncomingMessage } from "node:http"
import { connect } from "node:net"
import type { Duplex } from "node:stream"
import type { Passage } from "./passage.ts"

/** For a node whose machine is gone: a client that is still there would hold the relay open. */
const KEEP_ALIVE_MS = 30_000

const requestHead = (url: string, headers: Passage["headers"]): string => {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`))
  return `GET ${url} HTTP/1.1\r\n${lines.join("")}connection: Upgrade\r\nupgrade: websocket\r\n\r\n`
}

/**
 * A WebSocket of a session on another node, for its whole life: bytes, as fast as the slower side takes them. What the
 * other node wrote before it closed is delivered before the client's side closes, for it may say that the client shall stay
 * away. Answers how to cut it.
 */
export const relay = (request: IncomingMessage, client: Duplex, first: Buffer, passage: Passage): (() => void) => {
  const { gone, headers, host, port, waits } = passage
  const { "content-length": _, ...others } = headers
  const upstream = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS })
  let answered = false
  let isOver = false
  let timer: NodeJS.Timeout | undefined
  const wait = (ms: number, lapsed: () => void): void => {
    clearTimeout(timer)
    timer = setTimeout(lapsed, ms)
  }
  const cut = (): void => {
    upstream.destroy()
    client.destroy()
  }
  const unanswered = (): void => {
    passage.late()
    upstream.destroy()
  }
  const stalled = (): void => {
    passage.late()
    cut()
  }
  const stalls = new Map<Duplex, NodeJS.Timeout>()
  const flowing = (to: Duplex): void => {
    clearTimeout(stalls.get(to))
    stalls.delete(to)
  }
  /** Who takes nothing is not read from either, so that its going would not be noticed. */
  const pour = (from: Duplex, to: Duplex, end: boolean): void => {
    from.pipe(to, { end })
    from.on("data", () => {
      if (to.writableNeedDrain && !stalls.has(to)) stalls.set(to, setTimeout(stalled, waits.stallMs))
    })
    to.on("drain", () => flowing(to))
  }
  const linger = (): void => wait(waits.lingerMs, cut)
  const over = (): void => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    flowing(client)
    flowing(upstream)
    passage.done()
  }
  const clientFailed = (): void => void client.destroy()
  const clientClosed = (): void => {
    upstream.destroy()
    if (upstream.closed) over()
  }

  wait(waits.connectMs, unanswered)
  client.on("error", clientFailed)
  client.on("close", clientClosed)
  upstream.on("connect", () => {
    wait(waits.answerMs, unanswered)
    upstream.write(requestHead(request.url ?? "/", others), "latin1")
    if (first.length > 0) upstream.write(first)
    pour(upstream, client, false)
  })
  upstream.once("data", () => {
    answered = true
    clearTimeout(timer)
    client.on("end", linger)
    pour(client, upstream, true)
  })
  // Its close follows.
  upstream.on("error", () => undefined)
  upstream.on("close", () => {
    if (client.destroyed) return over()
    if (answered) {
      client.end()
      client.resume()
      return linger()
    }
    client.off("error", clientFailed)
    client.off("close", clientClosed)
    over()
    gone()
  })
  return cut
}
