import { Buffer } from "node:buffer"
import { createServer } from "node:http"
import { exportJWK, generateKeyPair, type JWK } from "jose"
import { afterEach, describe, expect, it } from "vitest"
import type { JoseOptions } from "#adapters/jose/jose-token-verifier.ts"
import { SECRET, signed, verifierWith } from "#tests/adapters/jose/signed.ts"

interface KeyServer {
  readonly url: string
  readonly requests: () => number
  /** What it answers from now on: a key set, or a status, or any text; `hang`: nothing at all. */
  readonly answer: (value: { readonly status?: number; readonly body?: string; readonly hang?: boolean }) => void
  readonly stop: () => Promise<void>
}

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const keyServer = async (port = 0): Promise<KeyServer> => {
  let requests = 0
  let now: { readonly status?: number; readonly body?: string; readonly hang?: boolean } = { body: '{"keys":[]}' }
  const server = createServer((_, response) => {
    requests += 1
    if (now.hang === true) return
    response.writeHead(now.status ?? 200, { "content-type": "application/json", location: "https://elsewhere.example" })
    response.end(now.body)
  })
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  const address = server.address()
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  closing.push(stop)
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/keys`,
    requests: () => requests,
    answer: (value) => {
      now = value
    },
    stop,
  }
}

const keyPair = async (kid: string | undefined, algorithm = "ES256") => {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk: JWK = { ...(await exportJWK(publicKey)), ...(kid !== undefined && { kid }) }
  return { jwk, token: () => signed({}, privateKey, { alg: algorithm, ...(kid !== undefined && { kid }) }) }
}

const setOf = (...keys: JWK[]) => ({ body: JSON.stringify({ keys }) })

const open = async (server: KeyServer, keySetTimes: JoseOptions["keySetTimes"] = {}) => {
  const verifier = await verifierWith({ jwksUrl: server.url, keySetTimes })
  closing.push(verifier.close)
  return verifier
}

const unavailable = { _tag: "keys_unavailable", message: "the keys that check tokens cannot be had now" }

describe("a key set at a URL", () => {
  it("is fetched once for many tokens, at the same time and later", async () => {
    const server = await keyServer()
    const key = await keyPair("k1")
    server.answer(setOf(key.jwk))
    const { verify } = await open(server)
    expect(server.requests()).toBe(0)
    const answers = await Promise.all(Array.from({ length: 20 }, async () => verify(await key.token())))
    for (const answer of answers) expect(answer).toMatchObject({ userId: "ana" })
    expect(await verify(await key.token())).toMatchObject({ userId: "ana" })
    expect(server.requests()).toBe(1)
  })

  it("is fetched again once for a key that it did not have: keys can be rotated", async () => {
    const server = await keyServer()
    const [first, second] = [await keyPair("k1"), await keyPair("k2", "EdDSA")]
    server.answer(setOf(first.jwk))
    const { verify } = await open(server, { cooldownMs: 0 })
    expect(await verify(await first.token())).toMatchObject({ userId: "ana" })
    server.answer(setOf(second.jwk))
    expect(await verify(await second.token())).toMatchObject({ userId: "ana" })
    expect(server.requests()).toBe(2)
    expect(await verify(await first.token())).toMatchObject({
      _tag: "unauthorized",
      message: expect.stringMatching(/kid/),
    })
    expect(server.requests()).toBe(3)
  })

  it("is not fetched for every stranger's key id: after a fetch there is a pause", async () => {
    const server = await keyServer()
    const [known, unknown] = [await keyPair("k1"), await keyPair("k2")]
    server.answer(setOf(known.jwk))
    const { verify } = await open(server)
    expect(await verify(await known.token())).toMatchObject({ userId: "ana" })
    for (let i = 0; i < 10; i++)
      expect(await verify(await unknown.token())).toMatchObject({
        _tag: "unauthorized",
        message: "the key set has no key of the token's kid and alg",
      })
    expect(server.requests()).toBe(1)
  })

  it("is fetched again when it is old", async () => {
    const server = await keyServer()
    const key = await keyPair("k1")
    server.answer(setOf(key.jwk))
    const { verify } = await open(server, { maxAgeMs: 0 })
    await verify(await key.token())
    await verify(await key.token())
    expect(server.requests()).toBe(2)
  })

  it("that cannot be had says nothing of a token: the client may come again", async () => {
    const server = await keyServer()
    const key = await keyPair("k1")
    for (const answer of [
      { status: 500, body: "no" },
      { status: 302, body: "" },
      { status: 404, body: JSON.stringify({ keys: [key.jwk] }) },
      { body: "<html>" },
      { body: "[]" },
      { body: '{"keys":{}}' },
      { body: JSON.stringify({ keys: [key.jwk], padding: "x".repeat(1_100_000) }) },
    ]) {
      server.answer(answer)
      const { verify } = await open(server)
      expect(await verify(await key.token())).toMatchObject({ ...unavailable, retryAfterMs: 1_000 })
    }
    server.answer({ hang: true })
    const hanging = await open(server, { timeoutMs: 40 })
    expect(await hanging.verify(await key.token())).toMatchObject(unavailable)
  })

  it("whose server is down is asked for at intervals, not for every token, and works when it is back", async () => {
    const first = await keyServer()
    const port = Number(new URL(first.url).port)
    const key = await keyPair("k1")
    await first.stop()
    const { verify, logged } = await open(first, { retryMs: 200 })
    expect(await verify(await key.token())).toMatchObject(unavailable)
    expect(logged).toEqual([expect.stringMatching(/the key set cannot be had.*reason/)])
    const second = await keyServer(port)
    second.answer({ status: 503, body: "" })
    for (let i = 0; i < 20; i++) expect(await verify(await key.token())).toMatchObject(unavailable)
    expect(second.requests()).toBeLessThanOrEqual(10)
    expect(logged).toHaveLength(1 + second.requests())
    second.answer(setOf(key.jwk))
    await expect.poll(async () => verify(await key.token()), { timeout: 5_000 }).toMatchObject({ userId: "ana" })
  })

  it("that fails later does not shut out those whose key is known", async () => {
    const server = await keyServer()
    const [known, unknown] = [await keyPair("k1"), await keyPair("k2")]
    server.answer(setOf(known.jwk))
    const { verify } = await open(server, { cooldownMs: 0 })
    expect(await verify(await known.token())).toMatchObject({ userId: "ana" })
    server.answer({ status: 500, body: "" })
    expect(await verify(await unknown.token())).toMatchObject(unavailable)
    expect(await verify(await known.token())).toMatchObject({ userId: "ana" })
  })

  it("checks no token by a secret, not even by one that it publishes", async () => {
    const server = await keyServer()
    const k = Buffer.from(SECRET).toString("base64url")
    server.answer(setOf({ kty: "oct", kid: "k1", k }))
    const { verify } = await open(server)
    expect(await verify(await signed({}, SECRET, { kid: "k1" }))).toMatchObject({
      _tag: "unauthorized",
      message: expect.stringMatching(/^the token's alg is one of .*found HS256$/),
    })
    expect(server.requests()).toBe(0)
  })

  it("takes a token without a kid where one key fits, and refuses it where several do", async () => {
    const server = await keyServer()
    const [one, two] = [await keyPair(undefined), await keyPair(undefined)]
    server.answer(setOf(one.jwk))
    expect(await (await open(server)).verify(await one.token())).toMatchObject({ userId: "ana" })
    server.answer(setOf(one.jwk, two.jwk))
    expect(await (await open(server)).verify(await one.token())).toMatchObject({
      _tag: "unauthorized",
      message: expect.stringMatching(/several keys/),
    })
  })

  it("refuses a token whose key in the set is too weak", async () => {
    const server = await keyServer()
    const weak = await crypto.subtle.generateKey(
      { name: "RSASSA-PKCS1-v1_5", modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
      true,
      ["sign", "verify"],
    )
    server.answer(setOf({ ...(await exportJWK(weak.publicKey)), kid: "k1" }))
    const { verify } = await open(server)
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const input = `${encode({ alg: "RS256", kid: "k1" })}.${encode({ sub: "a", exp: Math.floor(Date.now() / 1000) + 60 })}`
    const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", weak.privateKey, new TextEncoder().encode(input))
    expect(await verify(`${input}.${Buffer.from(signature).toString("base64url")}`)).toMatchObject({
      _tag: "unauthorized",
      message: "the key that the token names cannot be used",
    })
  })
})
