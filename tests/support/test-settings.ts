import type { Settings } from "#application/ports/settings.ts"
import { compileEventRules } from "#domain/client-event.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { compileRoomRules, type RoomRulesConfig } from "#domain/room-rules.ts"

/** The rules of `testSettings`: everybody may join and, as a member, publish; rooms and users keep 100 messages for 1 h. */
export const TEST_RULES: RoomRulesConfig = {
  rooms: [{ match: "*", join: "anyone", publish: "members", presence: true, history: { size: 100, ttlMs: 3_600_000 } }],
  users: { history: { size: 100, ttlMs: 3_600_000 } },
  everybody: { history: undefined },
}

/** Settings as an operator would leave them, in development: `Layer.succeed(Settings, testSettings({ node: "b" }))`. */
export const testSettings = (overrides: Partial<Settings["Service"]> = {}): Settings["Service"] => ({
  node: "test-node",
  version: "0.0.0-test",
  rules: compileRoomRules(TEST_RULES),
  eventRuleOf: compileEventRules([]),
  limits: DEFAULT_LIMITS,
  recovery: { windowMs: 120_000, maxMessages: 1_000 },
  presence: { graceMs: 5_000 },
  clockToleranceMs: 0,
  maxTokenLifetimeMs: 86_400_000,
  anonymous: false,
  handlerTimeoutMs: 3_000,
  ...overrides,
})
