import { afterAll, beforeAll, expect, it } from "vitest"
import { type Gateway, JWT_SECRET, startGateway, token } from "#tests/support/gateway.ts"

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway({ jwt: { secret: JWT_SECRET, clockTolerance: "0s", apiAudience: "api" } })
})
afterAll(() => gateway.stop())

const statusWith = (value: string) => gateway.call("GET", "/v1/status", undefined, { authorization: `Bearer ${value}` })

it("a token for the HTTP API opens nothing once it, or its subject's tokens, are revoked", async () => {
  const one = await token("billing", { audience: "api", scope: "read", tokenId: "stolen" })
  const other = await token("billing", { audience: "api", scope: "read", tokenId: "kept" })
  const nobodys = await token("reports", { audience: "api", scope: "read" })
  for (const value of [one, other, nobodys]) expect((await statusWith(value)).status).toBe(200)

  expect((await gateway.call("POST", "/v1/revocations", { jti: "stolen" })).status).toBe(201)
  const refused = await statusWith(one)
  expect([refused.status, refused.body.code]).toEqual([401, "revoked"])
  expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="roomcast"')
  expect((await statusWith(other)).status).toBe(200)

  const revocation = { userId: "billing", issuedBefore: Date.now() + 5_000 }
  expect((await gateway.call("POST", "/v1/revocations", revocation)).status).toBe(201)
  expect((await statusWith(other)).body.code).toBe("revoked")
  expect((await statusWith(nobodys)).status).toBe(200)
})
