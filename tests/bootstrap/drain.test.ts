import { afterEach, expect, it, vi } from "vitest"
import { drainConnections } from "#bootstrap/drain.ts"

afterEach(() => void vi.useRealTimers())

const TURN_MS = 100

/** What is passed on to other nodes, as a number. Each turn takes what it is to take, by a clock of its own, however slow the machine. */
const passedOn = (count: number) => {
  vi.useFakeTimers({ toFake: ["Date"] })
  const closed: number[] = []
  const left = (): number => count - closed.reduce((sum, each) => sum + each, 0)
  return {
    closed,
    get size() {
      return left()
    },
    closeOldest: (most: number) => {
      closed.push(Math.min(most, left()))
      vi.setSystemTime(Date.now() + TURN_MS)
    },
  }
}
const nobody = { byId: new Map() }

it("clients that are passed on to other nodes are sent away bit by bit over the drain time, all of them", async () => {
  const relays = passedOn(1_000)
  await drainConnections(nobody, relays, 1_000)
  expect(relays.size).toBe(0)
  expect(Math.max(...relays.closed)).toBeLessThanOrEqual(150)
})

it("draining ends at once where nobody is here, and after its time where somebody does not go", async () => {
  await drainConnections(nobody, { size: 0, closeOldest: () => undefined }, 60_000)
  await drainConnections(nobody, { size: 1, closeOldest: () => undefined }, 200)
})
