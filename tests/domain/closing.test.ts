import { describe, expect, it } from "vitest"
import { CLOSINGS } from "#domain/closing.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"

describe("a connection that the gateway closes", () => {
  it("stays away where its user was sent away or replaced, and else comes back by itself", () => {
    const away = Object.entries(CLOSINGS).filter(([, { reconnect }]) => !reconnect)
    expect(away.map(([name]) => name).toSorted()).toEqual(["disconnected", "revoked", "sessionTaken"])
  })

  it("is told by a code of its own and in words", () => {
    const all = Object.values(CLOSINGS)
    expect(new Set(all.map(({ code }) => code)).size).toBe(all.length)
    for (const { code, message } of all) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
      expect(message.length).toBeGreaterThan(10)
    }
  })
})

describe("the limits that nobody configured", () => {
  it("are those of the documentation", () => {
    expect(DEFAULT_LIMITS).toEqual({
      connectionsPerNode: 0,
      connectionsPerUser: 20,
      connectsPerSecondPerAddress: 50,
      eventsPerSecond: 50,
      eventsInFlight: 16,
      roomsPerConnection: 100,
      payloadBytes: 102_400,
      bufferBytes: 1_048_576,
      pushesPerSecond: 0,
      targetsPerMessage: 100,
    })
  })
})
