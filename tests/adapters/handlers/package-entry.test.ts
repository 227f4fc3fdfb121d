import { describe, expect, it } from "vitest"
import * as inHandlers from "#adapters/handlers/roomcast.ts"
import * as entry from "#bootstrap/index.ts"

describe("the package's entry", () => {
  it("gives a program the same as a handler module gets by the name roomcast", () => {
    expect(Object.keys(entry).sort()).toEqual(["ActionRefused", "defineHandler", "z"])
    expect({ ...entry }).toEqual({ ...inHandlers })
  })

  it("lets a handler be tested by hand: defineHandler gives back what it was given", async () => {
    const handler = entry.defineHandler({
      event: "sum",
      timeout: "1s",
      input: entry.z.object({ terms: entry.z.array(entry.z.number()) }),
      handle: ({ terms }, { userId }) => ({ userId, sum: terms.reduce((a, b) => a + b, 0) }),
    })
    const context = { userId: "ann" } as Parameters<typeof handler.handle>[1]
    expect(handler.handle({ terms: [1, 2] }, context)).toEqual({ userId: "ann", sum: 3 })
    expect(() => entry.defineHandler({ event: "room:x", handle: () => 1 })).toThrow(TypeError)
  })
})
