import { expect, it } from "vitest"
import { WaitingEvents } from "#adapters/socketio/waiting-events.ts"

const event = (data: unknown) => ({ event: "e", data, ack: undefined })

/** How many of them find room. */
const added = (waiting: WaitingEvents, data: unknown, times: number): number =>
  Array.from({ length: times }, () => waiting.add(event(data))).filter(Boolean).length

it("two hundred events wait, then one for each that was begun", () => {
  const waiting = new WaitingEvents()
  expect(added(waiting, 1, 250)).toBe(200)
  waiting.removeFirst()
  expect(added(waiting, 1, 2)).toBe(1)
  waiting.clear()
  expect(waiting.first).toBeUndefined()
  expect(added(waiting, 1, 250)).toBe(200)
})

it("events wait up to what they weigh, far more than their text, and make room for others when they are begun", () => {
  const waiting = new WaitingEvents()
  const heavy = Array.from({ length: 10_000 }, () => [])
  const most = added(waiting, heavy, 200)
  expect(most).toBeGreaterThan(1)
  expect(most).toBeLessThan(10)
  expect(added(waiting, 1, 1)).toBe(1)
  for (let i = 0; i <= most; i++) waiting.removeFirst()
  expect(waiting.first).toBeUndefined()
  expect(added(waiting, heavy, 200)).toBe(most)
})
