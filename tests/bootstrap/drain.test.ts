import { expect, it } from "vitest"
import { drainConnections } from "#bootstrap/drain.ts"

/** What is passed on to other nodes, as a number. */
const passedOn = (count: number) => {
  const closed: number[] = []
  const left = (): number => count - closed.reduce((sum, each) => sum + each, 0)
  return {
    closed,
    get size() {
      return left()
    },
    closeOldest: (most: number) => void closed.push(Math.min(most, left())),
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
  await drainConnections(nobody, passedOn(0), 60_000)
  await drainConnections(nobody, { size: 1, closeOldest: () => undefined }, 200)
})
