import type { Server } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import type { LocalConnections } from "#application/local-connections.ts"
import { CLOSINGS } from "#domain/closing.ts"

const TURN_MS = 100
const AT_LEAST_PER_SECOND = 50
/** Of the drain time: the rest is for clients to go. */
const CLOSING_PART = 0.7

/** Clients of other nodes that reach them through this one. */
interface PassedOn {
  readonly size: number
  readonly closeOldest: (most: number) => void
}

/**
 * Sends every client elsewhere, spread over the drain time: a stock client comes back about a second after its close, so
 * that whoever closes all of them at once gets all of them back at once. Ends when nobody is left, after `timeMs` at most.
 */
export const drainConnections = async (
  local: Pick<LocalConnections["Service"], "byId">,
  passedOn: PassedOn,
  timeMs: number,
): Promise<void> => {
  const until = Date.now() + timeMs
  const size = (): number => local.byId.size + passedOn.size
  const perSecond = Math.max(AT_LEAST_PER_SECOND, size() / Math.max(0.001, (timeMs * CLOSING_PART) / 1000))
  const perTurn = Math.ceil((perSecond * TURN_MS) / 1000)
  while (size() > 0 && Date.now() < until) {
    let closed = 0
    for (const { link } of [...local.byId.values()]) {
      if (closed >= perTurn) break
      if (link.close(CLOSINGS.draining)) closed++
    }
    passedOn.closeOldest(perTurn - closed)
    await sleep(Math.min(TURN_MS, Math.max(0, until - Date.now())))
  }
}

/**
 * Lets requests that are under way be answered while the server closes, until `until` (ms since 1970) at most: by itself
 * it would wait for a body that never comes, and for kept-alive connections that nobody uses.
 */
export const endRequests = async (server: Server, closing: Promise<void>, until: number): Promise<void> => {
  const turn = setInterval(() => {
    if (Date.now() < until) server.closeIdleConnections()
    else server.closeAllConnections()
  }, TURN_MS)
  try {
    await closing
  } finally {
    clearInterval(turn)
  }
}
