import { randomBytes } from "node:crypto"
import { expect, it } from "vitest"
import { weakness } from "#bootstrap/secret-strength.ts"

it.each([
  ["secret", "it has 6 bytes"],
  ["a".repeat(40), "it has only 1 different characters"],
  ["abcabcabcabcabcabcabcabcabcabcabcabc", "it has only 3 different characters"],
  ["0123456789abcdef0123456789abcdef", "it repeats itself"],
  ["Tr0ub4dor&3Tr0ub4dor&3Tr0ub4dor&3", "it repeats itself"],
  ["abcdefghijklmnopqrstuvwxyz0123456789", "it counts up or down"],
  ["zyxwvutsrqponmlkjihgfedcba9876543210", "it counts up or down"],
  ["0123456789abcdeffedcba9876543210", "it counts up or down"],
  ["00112233445566778899aabbccddeeff", "it counts up or down"],
  ["my-super-secret-jwt-key-change-me!", "it is made of well-known words"],
  ["development-secret-for-test-only-xx", "it is made of well-known words"],
])("finds %s weak: %s", (secret, why) => {
  expect(weakness(secret, 32)).toBe(why)
})

it("lets random secrets pass whose neighbours happen to lie beside one another", () => {
  expect(weakness("21e1087663412326546edad3210b0767", 32)).toBeUndefined()
})

it("finds nothing against random secrets in the usual spellings", () => {
  for (let i = 0; i < 2_000; i++)
    for (const encoding of ["hex", "base64", "base64url"] as const)
      expect(weakness(randomBytes(32).toString(encoding), 32)).toBeUndefined()
  for (let i = 0; i < 2_000; i++) expect(weakness(randomBytes(16).toString("hex"), 32)).toBeUndefined()
})
