import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { messageBytes, messageView } from "#domain/message.ts"
import { member } from "#domain/presence.ts"
import { messageTo, room } from "./made.ts"

describe("a message as answers give it", () => {
  it("holds what everybody may see and nothing of whom else it went to", () => {
    const message = messageTo(["a", "$user:ben"], {
      id: "m1",
      data: '{"text":"é"}',
      ts: 7,
      sender: "ann",
      except: { rooms: [], users: ["eve"], connections: [] },
      expiresAt: 99,
    })
    expect(messageView(message, room("a"), "e.5")).toStrictEqual({
      id: "m1",
      event: "said",
      data: { text: "é" },
      room: "a",
      ts: 7,
      sender: "ann",
      offset: "e.5",
    })
  })

  it("names no sender where the backend sent it", () => {
    expect(messageView(messageTo(["a"]), room("a"), "e.5")).not.toHaveProperty("sender")
  })
})

describe("what a message weighs", () => {
  it("is more than its text and grows with each character of it", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), (text, more) => {
        const of = (data: string): number => messageBytes(messageTo(["a"], { data }))
        expect(of(text)).toBeGreaterThan(text.length)
        expect(of(text + more) - of(text)).toBe(more.length)
      }),
    )
  })
})

describe("a member as presence shows it", () => {
  it("has an info only where the token has one, be it null", () => {
    expect(member("ann", "c1", undefined)).toStrictEqual({ userId: "ann", connectionId: "c1" })
    expect(member("ann", "c1", null)).toStrictEqual({ userId: "ann", connectionId: "c1", info: null })
  })
})
