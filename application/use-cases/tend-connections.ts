import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { Engine } from "#application/ports/engine.ts"
import { Settings } from "#application/ports/settings.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { formatPosition } from "#domain/offset.ts"

/** How long before its end a client is told that its token ends: a minute, less for tokens that live shortly. */
export const EXPIRY_NOTICE_MS = 60_000

/**
 * Looks after the connections of this node, once a second: tells of tokens about to end, closes those of ended ones, and
 * keeps positions young enough to recover from. One look at all of them costs less than a timer each.
 */
export const tendConnections = Effect.fnUntraced(function* () {
  const engine = yield* Engine
  const { clockToleranceMs } = yield* Settings
  const { byId } = yield* LocalConnections
  const now = yield* Clock.currentTimeMillis
  const old = now - engine.recordTtlMs / 2
  const stale: LocalConnection[] = []
  for (const connection of byId.values()) {
    connection.link.tend(now)
    const { claims } = connection.user
    const expiresAt = claims.expiresAt * 1000
    if (expiresAt + clockToleranceMs <= now) {
      connection.link.close(CLOSINGS.tokenExpired)
      continue
    }
    if (connection.gate !== null) continue
    const lifetime = expiresAt - connection.tokenSince
    if (!connection.warnedOfExpiry && expiresAt - now <= Math.min(EXPIRY_NOTICE_MS, lifetime / 2)) {
      connection.warnedOfExpiry = true
      connection.link.emit("session:expiring", { expiresAt })
    }
    if (connection.positionSentAt < old && connection.session !== undefined) stale.push(connection)
  }
  if (stale.length === 0) return
  // Last, for it may fail; once for all of them.
  for (let partition = 0; partition < engine.partitions; partition++) yield* engine.clock(partition)
  for (const connection of stale) {
    if (connection.gate !== null) continue
    connection.positionSentAt = now
    connection.link.emit("session:position", {}, formatPosition(engine.epoch(), connection.sentUpTo(engine.workedOff)))
  }
})
