import { type IncomingHttpHeaders, IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { expect, it } from "vitest"
import { type GuardOptions, HandshakeGuard } from "#adapters/socketio/handshake-guard.ts"

const request = (headers: IncomingHttpHeaders): IncomingMessage =>
  Object.assign(new IncomingMessage(new Socket()), { headers })

const guardOf = (more: Partial<GuardOptions> = {}) => {
  const hits: string[] = []
  let now = 0
  const guard = new HandshakeGuard({
    addressOf: ({ headers }) => String(headers["address"]),
    allowsOrigin: () => true,
    connectionsPerNode: 0,
    connectsPerSecondPerAddress: 2,
    connections: () => 0,
    draining: () => false,
    nowMs: () => now,
    refused: () => undefined,
    limitHit: (limit) => hits.push(limit),
    ...more,
  })
  return {
    guard,
    hits,
    pass: (ms: number) => {
      now += ms
    },
    codeOf: (address: string) => guard.check(request({ address }))?.code,
  }
}

it("addresses that were quiet long enough are forgotten, others are not", () => {
  const { codeOf, guard, pass } = guardOf()
  for (let i = 0; i < 10; i++) codeOf(`192.0.2.${i}`)
  expect(guard.addresses).toBe(10)
  guard.sweep()
  expect(guard.addresses).toBe(10)
  pass(900)
  codeOf("192.0.2.1")
  codeOf("192.0.2.1")
  pass(100)
  guard.sweep()
  expect(guard.addresses).toBe(1)
  expect(codeOf("192.0.2.1")).toBe("rate_limited")
})

it("so many addresses are told apart, those beyond share one limit, and that is counted", () => {
  const { codeOf, guard, hits } = guardOf()
  for (let i = 0; i < 20_000; i++) codeOf(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  expect([guard.addresses, hits]).toEqual([20_000, []])
  const beyond = [1, 2, 3].map((i) => codeOf(`192.0.2.${i}`))
  expect(beyond).toEqual([undefined, undefined, "rate_limited"])
  expect(guard.addresses).toBeLessThanOrEqual(20_001)
  expect(hits).toEqual(["address_limit_keys", "address_limit_keys", "address_limit_keys"])
  expect(codeOf("10.0.0.1")).toBeUndefined()
})

it("a refusal that may pass says when to come again, at least a second later and spread out; one for good does not", () => {
  const waits = (more: Partial<GuardOptions>) =>
    guardOf(more).guard.check(request({ address: "192.0.2.1" }))?.retryAfterMs
  expect(waits({ draining: () => true })).toBeGreaterThanOrEqual(1_000)
  expect(waits({ connectionsPerNode: 1, connections: () => 1 })).toBeGreaterThanOrEqual(5_000)
  const { guard } = guardOf()
  const again = [1, 2, 3].map(() => guard.check(request({ address: "192.0.2.1" }))).at(-1)
  expect(again?.code).toBe("rate_limited")
  expect(again?.retryAfterMs).toBeGreaterThanOrEqual(1_000)
  const origin = request({ origin: `https://${"x".repeat(5_000)}.example` })
  const refused = guardOf({ allowsOrigin: () => false }).guard.check(origin)
  expect([refused?.code, refused?.retryAfterMs]).toEqual(["not_allowed", undefined])
  expect(refused?.detail.length).toBeLessThan(400)
})
