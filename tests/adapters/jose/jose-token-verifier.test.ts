import { Buffer } from "node:buffer"
import { it as effectIt } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { exportJWK, exportSPKI, generateKeyPair, importJWK, UnsecuredJWT } from "jose"
import { describe, expect, it } from "vitest"
import { joseTokenVerifier } from "#adapters/jose/jose-token-verifier.ts"
import { signToken } from "#adapters/jose/sign-token.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import { now, SECRET, signed, verifierWith } from "#tests/adapters/jose/signed.ts"

const unauthorized = (message: RegExp | string) => ({
  _tag: "unauthorized",
  message: typeof message === "string" ? message : expect.stringMatching(message),
})

describe("a client's token", () => {
  it("gives its user, its times, what it grants and what others see", async () => {
    const { verify } = await verifierWith({ secret: SECRET })
    const times = { iat: now() - 5, exp: now() + 60 }
    const claims = { ...times, jti: "t-1", rooms: ["news:*", "chat:1"], publish: ["chat:1"], info: { name: "Ana" } }
    expect(await verify(await signed(claims))).toEqual({
      userId: "ana",
      issuedAt: times.iat,
      expiresAt: times.exp,
      tokenId: "t-1",
      rooms: ["news:*", "chat:1"],
      publish: ["chat:1"],
      info: { name: "Ana" },
    })
  })

  it("grants nothing that it does not name", async () => {
    const { verify } = await verifierWith({ secret: SECRET })
    expect(await verify(await signed({ iat: undefined }))).toMatchObject({
      issuedAt: undefined,
      tokenId: undefined,
      rooms: [],
      publish: [],
      info: undefined,
    })
  })

  it.each([
    ["no exp", { exp: undefined }, "the token has no exp"],
    ["an exp that is text", { exp: "tomorrow" }, /exp is a number of seconds/],
    ["no sub", { sub: undefined }, "the token has no sub"],
    ["a sub that is a number", { sub: 42 }, "the token's sub: a user's name is a string, found number"],
    ["an empty sub", { sub: "" }, /^the token's sub: .*found an empty one$/],
    ["a sub of 201 bytes", { sub: "x".repeat(201) }, /^the token's sub: .*found 201$/],
    ["a sub with a line break", { sub: "a\nb" }, /^the token's sub: .*control characters$/],
    ["a jti that is a number", { jti: 7 }, /jti is a string/],
    ["an iat in the future", { iat: now() + 3600, exp: now() + 3700 }, "the token's iat is in the future"],
    ["an iat that is text", { iat: "now" }, /iat is a number of seconds/],
    ["a life over the longest", { exp: now() + 90_000 }, /at most 86400 s .*found \d{5} s$/],
    [
      "a life over the longest, without iat",
      { iat: undefined, exp: now() + 90_000 },
      /at most 86400 s .*found \d{5} s$/,
    ],
    ["rooms that is text", { rooms: "news:*" }, "the token's rooms is an array of strings, found a string"],
    ["rooms that is an object", { rooms: {} }, "the token's rooms is an array of strings, found an object"],
    ["rooms that is null", { rooms: null }, "the token's rooms is an array of strings, found null"],
    ["a room that is a number", { rooms: ["a", 5] }, "the token's rooms, item 1, is a string, found a number"],
    ["a room of 201 bytes", { rooms: ["é".repeat(101)] }, /^the token's rooms, item 0, has 1-200 bytes.*found 202$/],
    ["an empty pattern", { publish: [""] }, /^the token's publish, item 0, has 1-200 bytes.*found 0$/],
    ["101 patterns", { publish: Array(101).fill("a") }, "the token's publish has at most 100 patterns, found 101"],
    [
      "info of more than 2 kB",
      { info: "x".repeat(2047) },
      "the token's info has at most 2048 bytes as JSON, found 2049",
    ],
    ["info nested too deeply", { info: JSON.parse("[".repeat(80) + "]".repeat(80)) }, /^the token's info: .*deep$/],
  ])("is refused with %s", async (_, claims, message) => {
    const { verify } = await verifierWith({ secret: SECRET })
    expect(await verify(await signed(claims))).toMatchObject(unauthorized(message))
  })

  it("may have 100 patterns of 200 bytes and info of 2,048 bytes", async () => {
    const { verify } = await verifierWith({ secret: SECRET })
    const rooms = Array.from({ length: 15 }, () => "r".repeat(200))
    const info = "x".repeat(2046)
    expect(await verify(await signed({ rooms, info }))).toMatchObject({ rooms, info })
    const publish = Array.from({ length: 100 }, (_, i) => `p${i}`)
    expect(await verify(await signed({ publish }))).toMatchObject({ publish })
  })

  it("is refused by length before it is read", async () => {
    const { verify } = await verifierWith({ secret: SECRET })
    expect(await verify("x".repeat(8193))).toMatchObject(unauthorized("a token has at most 8192 bytes, found 8193"))
    const large = await signed({ padding: "x".repeat(6200) })
    expect(large.length).toBeGreaterThan(8192)
    expect(await verify(large)).toMatchObject(unauthorized(/at most 8192 bytes/))
  })

  it.each(["", "no-token", "a.b.c", "..", "a.b", "a.b.c.d.e"])("is no token as %j", async (text) => {
    const { verify } = await verifierWith({ secret: SECRET })
    expect(await verify(text)).toMatchObject(unauthorized("the token is no signed JWT in compact form (RFC 7519)"))
  })

  it("is refused when its content was changed or another secret signed it", async () => {
    const { verify } = await verifierWith({ secret: SECRET })
    const [header, , signature] = (await signed({})).split(".")
    const forged = Buffer.from(JSON.stringify({ sub: "root", exp: now() + 60 })).toString("base64url")
    expect(await verify(`${header}.${forged}.${signature}`)).toMatchObject(
      unauthorized("the token's signature is not valid"),
    )
    expect(await verify(await signed({}, `${SECRET}2`))).toMatchObject(unauthorized(/signature/))
  })

  it("shows nothing of itself in a refusal", async () => {
    const { verify } = await verifierWith({ secret: SECRET, issuer: "https://issuer.example", audience: "clients" })
    const inside = "PRIVATE-WORD"
    const refusals = [
      await verify(await signed({ sub: inside.repeat(20) })),
      await verify(await signed({ iss: inside, aud: "clients" })),
      await verify(await signed({ iss: "https://issuer.example", aud: inside })),
      await verify(await signed({ iss: "https://issuer.example", aud: "clients", rooms: { [inside]: 1 } })),
      await verify(
        await signed({ iss: "https://issuer.example", aud: "clients", info: { [inside]: inside.repeat(200) } }),
      ),
      await verify(`${Buffer.from(JSON.stringify({ alg: `${inside} ${inside}` })).toString("base64url")}.e30.AA`),
      await verify(inside),
    ]
    for (const refusal of refusals) expect(refusal).toMatchObject({ _tag: "unauthorized" })
    expect(JSON.stringify(refusals)).not.toContain(inside)
  })
})

describe("time", () => {
  const at = (offset: number) =>
    signToken({ userId: "ana", issuedAt: 1_000_000, expiresAt: 1_000_000 + offset }, SECRET)
  const layer = joseTokenVerifier({ secret: SECRET, clockToleranceSeconds: 30, maxLifetimeSeconds: 3_600 })

  effectIt.effect("an expired token is token_expired once the tolerance is over, and not before", () =>
    Effect.gen(function* () {
      const { verify } = yield* TokenVerifier
      const token = yield* at(100)
      yield* TestClock.setTime(1_000_129_000)
      expect(yield* verify(token)).toMatchObject({ userId: "ana" })
      yield* TestClock.setTime(1_000_130_000)
      expect(yield* Effect.flip(verify(token))).toMatchObject({
        _tag: "token_expired",
        message: "the token expired 30 s ago",
      })
    }).pipe(Effect.provide(layer)),
  )

  effectIt.effect("a token that is not valid yet is let in within the tolerance only", () =>
    Effect.gen(function* () {
      const { verify } = yield* TokenVerifier
      const nbf = 1_000_000
      const token = yield* Effect.promise(() => signed({ iat: undefined, nbf, exp: nbf + 600 }))
      yield* TestClock.setTime((nbf - 31) * 1000)
      expect(yield* Effect.flip(verify(token))).toMatchObject(unauthorized(/nbf is in the future/))
      yield* TestClock.setTime((nbf - 30) * 1000)
      expect(yield* verify(token)).toMatchObject({ userId: "ana" })
    }).pipe(Effect.provide(layer)),
  )

  effectIt.effect("a token as long-lived as allowed passes, one second more does not", () =>
    Effect.gen(function* () {
      const { verify } = yield* TokenVerifier
      yield* TestClock.setTime(1_000_000_000)
      expect(yield* verify(yield* at(3_600))).toMatchObject({ expiresAt: 1_003_600 })
      expect(yield* Effect.flip(verify(yield* at(3_601)))).toMatchObject(unauthorized(/at most 3600 s .*found 3601 s/))
    }).pipe(Effect.provide(layer)),
  )

  it("that is no number a clock can show is refused", async () => {
    const { verify } = await verifierWith({ secret: SECRET })
    const endless = (claims: string) => {
      const encode = (text: string) => Buffer.from(text).toString("base64url")
      return `${encode('{"alg":"HS256"}')}.${encode(claims)}`
    }
    const key = await crypto.subtle.importKey(
      "raw",
      new TextEncoder().encode(SECRET),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    )
    for (const claims of [
      '{"sub":"a","exp":1e999}',
      '{"sub":"a","exp":1e999,"iat":1e999}',
      `{"sub":"a","exp":${now() + 60},"iat":-1e999}`,
    ]) {
      const input = endless(claims)
      const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(input))
      const answer = await verify(`${input}.${Buffer.from(signature).toString("base64url")}`)
      expect(answer).toMatchObject({ _tag: "unauthorized" })
    }
  })
})

describe("issuer and audience", () => {
  it("are checked where they are configured", async () => {
    const { verify } = await verifierWith({
      secret: SECRET,
      issuer: ["https://a.example", "https://b.example"],
      audience: "clients",
    })
    const good = { iss: "https://b.example", aud: ["other", "clients"] }
    expect(await verify(await signed(good))).toMatchObject({ userId: "ana" })
    expect(await verify(await signed({ ...good, iss: "https://c.example" }))).toMatchObject(
      unauthorized(/^the token's iss /),
    )
    expect(await verify(await signed({ ...good, iss: undefined }))).toMatchObject(unauthorized("the token has no iss"))
    expect(await verify(await signed({ ...good, aud: "others" }))).toMatchObject(unauthorized(/^the token's aud /))
    expect(await verify(await signed({ ...good, aud: undefined }))).toMatchObject(unauthorized("the token has no aud"))
  })
})

describe("a token for the HTTP API", () => {
  const options = { secret: SECRET, api: { audience: "roomcast-api" } }

  it("gives its subject and the scopes that there are", async () => {
    const { verifyApi } = await verifierWith(options)
    const token = await signed({ sub: "billing", aud: "roomcast-api", scope: "publish read publish email" })
    expect(await verifyApi(token)).toMatchObject({ userId: "billing", scopes: ["publish", "read"] })
  })

  it("is never a client's, nor a client's one of the API's, whatever audience is configured for clients", async () => {
    for (const audience of [undefined, "clients"]) {
      const { verify, verifyApi } = await verifierWith({ ...options, ...(audience !== undefined && { audience }) })
      const client = await signed({ ...(audience !== undefined && { aud: audience }), scope: "publish" })
      expect(await verify(client)).toMatchObject({ userId: "ana" })
      expect(await verifyApi(client)).toMatchObject(unauthorized(/aud/))
      for (const aud of ["roomcast-api", ["roomcast-api"], ["clients", "roomcast-api"]]) {
        const api = await signed({ aud, scope: "publish" })
        expect(await verify(api)).toMatchObject(unauthorized(/aud/))
        expect(await verifyApi(api)).toMatchObject({ userId: "ana", scopes: ["publish"] })
      }
    }
  })

  it("is refused without a scope, with a wrong one, and where no audience is configured for the API", async () => {
    const { verifyApi } = await verifierWith(options)
    expect(await verifyApi(await signed({ aud: "roomcast-api" }))).toMatchObject(unauthorized(/scope is a string/))
    expect(await verifyApi(await signed({ aud: "roomcast-api", scope: ["read"] }))).toMatchObject(unauthorized(/scope/))
    expect(await verifyApi(await signed({ aud: "roomcast-api", scope: "read", sub: "" }))).toMatchObject(
      unauthorized(/sub/),
    )
    expect(await verifyApi(await signed({ aud: "roomcast-api", scope: "" }))).toMatchObject({
      userId: "ana",
      scopes: [],
    })
    const without = await verifierWith({ secret: SECRET })
    expect(await without.verifyApi(await signed({ aud: "roomcast-api", scope: "read" }))).toMatchObject(
      unauthorized(/no audience/),
    )
  })

  it("obeys the same rules of time", async () => {
    const { verifyApi } = await verifierWith(options)
    const api = { aud: "roomcast-api", scope: "read" }
    expect(await verifyApi(await signed({ ...api, iat: now() - 99, exp: now() - 60 }))).toMatchObject({
      _tag: "token_expired",
    })
    expect(await verifyApi(await signed({ ...api, exp: now() + 90_000 }))).toMatchObject(
      unauthorized(/lives for at most/),
    )
  })
})

describe("algorithms", () => {
  it("an unsigned token is refused whatever the key", async () => {
    const { publicKey } = await generateKeyPair("ES256", { extractable: true })
    const none = new UnsecuredJWT({ sub: "root" }).setExpirationTime("1m").encode()
    for (const options of [{ secret: SECRET }, { publicKey: await exportSPKI(publicKey) }, {}]) {
      const { verify } = await verifierWith(options)
      expect(await verify(none)).toMatchObject({ _tag: "unauthorized" })
      expect(await verify(`${none}AAAA`)).toMatchObject({ _tag: "unauthorized" })
    }
  })

  it("a public key is never taken for a secret", async () => {
    for (const algorithm of ["RS256", "ES256", "EdDSA"]) {
      const { publicKey } = await generateKeyPair(algorithm, { extractable: true })
      const pem = await exportSPKI(publicKey)
      const jwk = JSON.stringify(await exportJWK(publicKey))
      for (const text of [pem, jwk]) {
        const { verify } = await verifierWith({ publicKey: text })
        for (const secret of [pem, pem.trim(), `${pem.trim()}\n`, jwk])
          for (const alg of ["HS256", "HS384", "HS512"])
            expect(await verify(await signed({}, secret, { alg }))).toMatchObject(
              unauthorized(/alg is one of [^H]*found HS/),
            )
      }
    }
  })

  it.each([
    ["RS256", ["RS384", "RS512", "PS256", "PS384", "PS512"]],
    ["ES256", []],
    ["ES384", []],
    ["ES512", []],
    ["EdDSA", []],
  ])("a key made for %s checks what fits it, as PEM and as JWK, and nothing else", async (algorithm, alsoFitting) => {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
    const privateJwk = await exportJWK(privateKey)
    for (const text of [await exportSPKI(publicKey), JSON.stringify(await exportJWK(publicKey))]) {
      const { verify } = await verifierWith({ publicKey: text })
      for (const alg of [algorithm, ...alsoFitting]) {
        expect(await verify(await signed({}, await importJWK(privateJwk, alg), { alg }))).toMatchObject({
          userId: "ana",
        })
      }
      const other = algorithm === "ES256" ? "ES384" : "ES256"
      const stranger = await generateKeyPair(other)
      expect(await verify(await signed({}, stranger.privateKey, { alg: other }))).toMatchObject(
        unauthorized(/alg is one of/),
      )
      const same = await generateKeyPair(algorithm)
      expect(await verify(await signed({}, same.privateKey, { alg: algorithm }))).toMatchObject(
        unauthorized(/signature/),
      )
    }
  })

  it("a JWK that names its algorithm allows that one only", async () => {
    const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true })
    const { verify } = await verifierWith({
      publicKey: JSON.stringify({ ...(await exportJWK(publicKey)), alg: "RS512" }),
    })
    expect(await verify(await signed({}, privateKey, { alg: "RS256" }))).toMatchObject(
      unauthorized("the token's alg is one of RS512, found RS256"),
    )
  })

  it("a secret checks HS256, HS384 and HS512, and no other signature", async () => {
    const { verify } = await verifierWith({ secret: SECRET })
    for (const alg of ["HS256", "HS384", "HS512"])
      expect(await verify(await signed({}, SECRET, { alg }))).toMatchObject({ userId: "ana" })
    const { privateKey } = await generateKeyPair("RS256")
    expect(await verify(await signed({}, privateKey, { alg: "RS256" }))).toMatchObject(
      unauthorized("the token's alg is one of HS256, HS384, HS512, found RS256"),
    )
  })

  it("an extension that the token calls critical is refused, not passed over", async () => {
    const { verify } = await verifierWith({ secret: SECRET })
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const token = `${encode({ alg: "HS256", crit: ["x"], x: 1 })}.${encode({ sub: "a", exp: now() + 60 })}.AAAA`
    expect(await verify(token)).toMatchObject(unauthorized(/extension/))
  })

  it("without any key no token is accepted", async () => {
    const { verify } = await verifierWith({})
    expect(await verify(await signed({}))).toMatchObject(unauthorized(/no key is configured/))
  })
})

describe("keys that cannot be used stop the start", () => {
  it("and the reason is given without the key", async () => {
    const rsa = await generateKeyPair("RS256", { extractable: true })
    const jwk = await exportJWK(rsa.publicKey)
    const short = { kty: "RSA", e: "AQAB", n: "x".repeat(171) }
    const cases: readonly (readonly [Parameters<typeof verifierWith>[0], RegExp])[] = [
      [{ secret: "" }, /jwt\.secret is text/],
      [{ publicKey: "" }, /text that is neither/],
      [{ publicKey: "-----BEGIN PRIVATE KEY-----\nAAAA" }, /found "-----BEGIN PRIVATE KEY-----"/],
      [{ publicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----" }, /none of RSA/],
      [{ publicKey: "{}" }, /JSON without kty/],
      [{ publicKey: JSON.stringify({ kty: "oct", k: "AAAA" }) }, /symmetric key/],
      [{ publicKey: JSON.stringify(await exportJWK(rsa.privateKey)) }, /private key/],
      [{ publicKey: JSON.stringify({ ...jwk, use: "enc" }) }, /not for signatures/],
      [{ publicKey: JSON.stringify({ ...jwk, alg: "ES256" }) }, /no supported algorithm/],
      [{ publicKey: JSON.stringify({ kty: "EC", crv: "secp256k1", x: "AA", y: "AA" }) }, /no supported algorithm/],
      [{ publicKey: JSON.stringify({ kty: "EC", crv: "P-256", x: "AA" }) }, /cannot be imported/],
      [{ publicKey: JSON.stringify(short) }, /RSA key of 1024 bits/],
      [{ jwksUrl: "file:///etc/passwd" }, /http or https URL/],
      [{ jwksUrl: "no url" }, /http or https URL/],
      [{ secret: SECRET, jwksUrl: "https://keys.example" }, /found several/],
      [{ secret: SECRET, audience: ["a", "b"], api: { audience: "b" } }, /differ, found the same/],
    ]
    for (const [options, message] of cases) {
      const error = await verifierWith(options).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toMatchObject({ _tag: "InvalidKeys", message: expect.stringMatching(message) })
      expect(String(error)).not.toContain(SECRET)
    }
  })
})

describe("signToken", () => {
  it("makes a token that is accepted, with all that it was given", async () => {
    const { verify } = await verifierWith({ secret: SECRET, issuer: "me", audience: "clients" })
    const content = {
      userId: "ana",
      issuedAt: now(),
      expiresAt: now() + 60,
      tokenId: "t",
      issuer: "me",
      audience: "clients",
      rooms: ["a"],
      publish: ["b"],
      info: { n: 1 },
    }
    expect(await verify(await Effect.runPromise(signToken(content, SECRET)))).toEqual({
      userId: "ana",
      issuedAt: content.issuedAt,
      expiresAt: content.expiresAt,
      tokenId: "t",
      rooms: ["a"],
      publish: ["b"],
      info: { n: 1 },
    })
  })
})
