import { setTimeout as sleep } from "node:timers/promises"
import type { LocalConnections } from "#application/local-connections.ts"
import { CLOSINGS } from "#domain/closing.ts"

const TURN_MS = 100
const AT_LEAST_PER_SECOND = 50
/** Of the drain time: the rest is for clients to go. */
const CLOSING_PART = 0.7

/**
 * Sends every client elsewhere, spread over the drain time: a stock client comes back about a second after its close, so
 * that whoever closes all of them at once gets all of them back at once. Ends when nobody is left, after `timeMs` at most.
 */
export const drainConnections = async (local: LocalConnections["Service"], timeMs: number): Promise<void> => {
  const until = Date.now() + timeMs
  const perSecond = Math.max(AT_LEAST_PER_SECOND, local.byId.size / Math.max(0.001, (timeMs * CLOSING_PART) / 1000))
  const perTurn = Math.ceil((perSecond * TURN_MS) / 1000)
  while (local.byId.size > 0 && Date.now() < until) {
    let closed = 0
    for (const { link } of [...local.byId.values()]) {
      if (closed >= perTurn) break
      if (link.close(CLOSINGS.draining)) closed++
    }
    await sleep(Math.min(TURN_MS, Math.max(0, until - Date.now())))
  }
}
