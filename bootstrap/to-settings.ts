import type { Settings } from "#application/ports/settings.ts"
import { compileEventRules } from "#domain/client-event.ts"
import { compileRoomRules, type History } from "#domain/room-rules.ts"
import type { Config } from "./config.ts"

const toHistory = (history: { readonly size: number; readonly ttl: number } | undefined): History | undefined =>
  history === undefined || history.size === 0 ? undefined : { size: history.size, ttlMs: history.ttl }

/** The part of the configuration that the use cases need, compiled. */
export const toSettings = (config: Config, version: string): Settings["Service"] => ({
  node: config.nodeId,
  version,
  rules: compileRoomRules({
    rooms: config.rooms.map((rule) => ({ ...rule, history: toHistory(rule.history) })),
    users: { history: toHistory(config.users.history) },
    everybody: { history: toHistory(config.everybody.history) },
  }),
  eventRuleOf: compileEventRules(
    config.events.map(({ match, forward, timeout }) => ({ match, forward, timeoutMs: timeout })),
  ),
  limits: config.limits,
  recovery: { windowMs: config.recovery.window, maxMessages: config.recovery.maxMessages },
  presence: { graceMs: config.presence.grace },
  maxTokenLifetimeMs: config.jwt.maxLifetime,
  clockToleranceMs: config.jwt.clockTolerance,
  anonymous: config.jwt.anonymous,
  handlerTimeoutMs: config.handlerTimeout,
})
