import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isRevokedBy } from "#domain/revocation.ts"
import { claimsOf } from "./made.ts"

describe("a revocation of a user's tokens", () => {
  it("is of those issued before it, to the second, of that user alone", () => {
    fc.assert(
      fc.property(fc.constantFrom("ann", "ben"), fc.nat(), fc.nat(), (userId, issuedAt, issuedBefore) => {
        expect(isRevokedBy(claimsOf(userId, { issuedAt }), { userId: "ann", issuedBefore })).toBe(
          userId === "ann" && issuedAt < issuedBefore,
        )
      }),
    )
    expect(isRevokedBy(claimsOf("ann", { issuedAt: 10 }), { userId: "ann", issuedBefore: 10 })).toBe(false)
    expect(isRevokedBy(claimsOf("ann", { issuedAt: 9 }), { userId: "ann", issuedBefore: 10 })).toBe(true)
  })

  it("is of a token that does not say when it was issued, always", () => {
    expect(isRevokedBy(claimsOf("ann", { issuedAt: undefined }), { userId: "ann", issuedBefore: 0 })).toBe(true)
    expect(isRevokedBy(claimsOf("ben", { issuedAt: undefined }), { userId: "ann", issuedBefore: 9 })).toBe(false)
  })
})

describe("a revocation of one token", () => {
  it("is of the token of that id, whosever it is, and of none without an id", () => {
    expect(isRevokedBy(claimsOf("ann", { tokenId: "t1" }), { tokenId: "t1" })).toBe(true)
    expect(isRevokedBy(claimsOf("ann", { tokenId: "t2" }), { tokenId: "t1" })).toBe(false)
    expect(isRevokedBy(claimsOf("ann"), { tokenId: "t1" })).toBe(false)
  })
})
