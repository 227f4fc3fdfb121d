import { expect, it } from "vitest"
import { FAULT_KINDS, makeSchedule } from "./schedule.ts"

const OPTIONS = { seed: 7, seconds: 120, kinds: FAULT_KINDS, nodes: 3, everyMs: 2_000 }

it("a seed repeats its schedule, another makes another", () => {
  expect(makeSchedule(OPTIONS)).toEqual(makeSchedule(OPTIONS))
  expect(makeSchedule({ ...OPTIONS, seed: 8 })).not.toEqual(makeSchedule(OPTIONS))
})

it("every kind of fault comes up once before any comes up again", () => {
  const kinds = makeSchedule(OPTIONS).map(({ kind }) => kind)
  expect(kinds.length).toBeGreaterThan(FAULT_KINDS.length)
  expect(new Set(kinds.slice(0, FAULT_KINDS.length))).toEqual(new Set(FAULT_KINDS))
})
