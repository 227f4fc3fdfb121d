import { expect, it } from "vitest"
import { toSettings } from "#bootstrap/to-settings.ts"
import { EVERYBODY, parseRoomName, userRoom } from "#domain/room.ts"
import { loaded } from "./load-from.ts"

const FILE = `
nodeId: pod-1
handlerTimeout: 2s
jwt: { anonymous: true, maxLifetime: 2h }
rooms:
  - { match: "news:*", join: anyone, history: { size: 10, ttl: 2h } }
  - { match: "chat:*", join: token, publish: members, presence: true, history: { size: 0, ttl: 1h } }
everybody: { history: { size: 3, ttl: 30s } }
recovery: { window: 1m, maxMessages: 7 }
presence: { grace: 3s }
events: [{ match: "order.*", forward: rpc, timeout: 4s }]
limits: { eventsPerSecond: 9 }`

it("gives the use cases what was configured, in ms and compiled", () => {
  const settings = toSettings(loaded({ file: FILE }).config, "1.2.3")
  expect(settings).toMatchObject({
    node: "pod-1",
    version: "1.2.3",
    recovery: { windowMs: 60_000, maxMessages: 7 },
    presence: { graceMs: 3_000 },
    maxTokenLifetimeMs: 7_200_000,
    anonymous: true,
    handlerTimeoutMs: 2_000,
    limits: { eventsPerSecond: 9, eventsInFlight: 16 },
  })
  expect(settings.eventRuleOf("order.new")).toEqual({ match: "order.*", forward: "rpc", timeoutMs: 4_000 })
  expect(settings.eventRuleOf("other")).toBeUndefined()
  const { historyOf, longestHistoryMs, ruleOf } = settings.rules
  const news = parseRoomName("news:1")!
  const chat = parseRoomName("chat:1")!
  expect(historyOf(news)).toEqual({ size: 10, ttlMs: 7_200_000 })
  expect(ruleOf(chat)).toMatchObject({ join: "token", publish: "members", presence: true })
  expect(historyOf(chat)).toBeUndefined()
  expect(historyOf(EVERYBODY)).toEqual({ size: 3, ttlMs: 30_000 })
  expect(historyOf(userRoom("ann"))).toEqual({ size: 100, ttlMs: 3_600_000 })
  expect(longestHistoryMs).toBe(7_200_000)
})

it("keeps nothing for users whose history has size 0", () => {
  const { rules } = toSettings(loaded({ file: "users: { history: { size: 0 } }" }).config, "1.2.3")
  expect(rules.historyOf(userRoom("ann"))).toBeUndefined()
})
