import { expect, it } from "vitest"
import { emptyJournal } from "./journal.ts"
import { returnTimes } from "./return-times.ts"

it("a return lasts from the node's death until the client had what was published before it was back", () => {
  const journal = emptyJournal("me")
  journal.steps.push(
    { kind: "ready", recovered: false, node: "node-1", position: 0, at: 5, index: 0 },
    { kind: "drop", reason: "transport close", at: 110, index: 1 },
    { kind: "ready", recovered: true, node: "node-2", position: 0, at: 300, index: 1 },
  )
  for (const [offset, at] of [
    [50_000, 51],
    [200_000, 320],
    [299_000, 340],
    [350_000, 900],
  ] as const) {
    journal.offsets.push(offset)
    journal.at.push(at)
  }
  expect(returnTimes(journal, [{ node: "node-1", at: 100 }], 0)).toEqual([240])
  expect(returnTimes(journal, [{ node: "node-2", at: 100 }], 0)).toEqual([])
  expect(returnTimes(journal, [{ node: "node-1", at: 200 }], 0)).toEqual([])
})
