import { mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { decodeJwt } from "jose"
import { describe, expect, it } from "vitest"
import { banner, quote } from "#bootstrap/cli/banner.ts"
import { selfCommand } from "#bootstrap/self-command.ts"
import { type Given, loaded, STRONG_KEY, STRONG_SECRET } from "./load-from.ts"

const AT = { url: "http://127.0.0.1:9000", version: "1.2.3", now: 1_700_000_000_000, self: ["node", "main.ts"] }
const textOf = async (given: Given, at: Partial<typeof AT> = {}): Promise<string> =>
  (await banner(loaded(given), { ...AT, ...at })).join("\n")
const tokenIn = (text: string): string => /eyJ[\w.-]+/.exec(text)?.[0] ?? ""

describe("what development prints", () => {
  it("gives the address, the key and the token that were made up, and a line for each side", async () => {
    const given = loaded()
    const text = (await banner(given, AT)).join("\n")
    expect(text).toContain("made up at this start: jwt.secret, apiKey, rooms")
    expect(text).toContain("  address  http://127.0.0.1:9000\n")
    expect(text).toContain(`  API key  ${given.config.apiKey}\n`)
    expect(text).toContain(`\n  node main.ts tail demo --url http://127.0.0.1:9000 --token ${tokenIn(text)}\n`)
    expect(text).toContain(
      `\n  curl -X POST http://127.0.0.1:9000/v1/messages -H "Authorization: Bearer ${given.config.apiKey}" -H "Content-Type: application/json" -d '{"to":{"rooms":["demo"]},`,
    )
    expect(decodeJwt(tokenIn(text))).toMatchObject({ sub: "demo", iat: 1_700_000_000, exp: 1_700_086_400 })
  })

  it("shows no secret that was configured", async () => {
    const text = await textOf({ env: { ROOMCAST_JWT_SECRET: STRONG_SECRET, ROOMCAST_API_KEY: STRONG_KEY } })
    expect(text).not.toMatch(new RegExp(`${STRONG_SECRET}|${STRONG_KEY}`))
    expect(text).toContain('-H "Authorization: Bearer $ROOMCAST_API_KEY"')
    expect(text).toContain("with your key in ROOMCAST_API_KEY")
  })

  it("uses a room that the configured rules let its user into, else the user's own", async () => {
    const rooms = '{ match: "a:*", join: backend }, { match: "chat:*:x", join: token }'
    const inRoom = await textOf({ file: `rooms: [${rooms}]\njwt: { maxLifetime: 1h, issuer: me, audience: them }` })
    expect(inRoom).toContain("tail chat:demo:x --url")
    expect(inRoom).toContain('{"rooms":["chat:demo:x"]}')
    const claims = decodeJwt(tokenIn(inRoom))
    expect(claims).toMatchObject({ rooms: ["*"], iss: "me", aud: "them", exp: 1_700_003_600 })
    const own = await textOf({ file: "rooms: []" })
    expect(own).toContain("main.ts tail --url")
    expect(own).toContain('{"users":["demo"]}')
  })

  it("asks for a token where others sign them, and for none where none is needed", async () => {
    expect(await textOf({ file: 'jwt: { jwksUrl: "https://i.example" }' })).toContain('--token "$TOKEN"\n')
    const open = await textOf({ file: 'jwt: { jwksUrl: "https://i.example", anonymous: true }' })
    expect(open).not.toContain("--token")
  })

  it("prints an address that can be connected to", async () => {
    expect(await textOf({}, { url: "http://0.0.0.0:9000" })).toContain("address  http://127.0.0.1:9000\n")
    expect(await textOf({}, { url: "http://[::]:9000" })).toContain("address  http://[::1]:9000\n")
  })

  it("quotes for a shell", () => {
    expect(["plain-1.2/x:y", "two words", "it's", "$HOME"].map(quote)).toEqual([
      "plain-1.2/x:y",
      "'two words'",
      "'it'\\''s'",
      "'$HOME'",
    ])
  })
})

it("names itself so that it starts from another terminal, whatever npm did to PATH", () => {
  const folder = mkdtempSync(join(tmpdir(), "roomcast-self-"))
  const name = "Deno" in globalThis ? "deno" : "node"
  const runs = name === "deno" ? ["run", "-A"] : []
  symlinkSync(process.execPath, join(folder, name))
  const started = { argv: [process.execPath, "/app/bootstrap/main.ts"], execPath: process.execPath, cwd: () => "/app" }
  const self = (PATH: string, cwd = "/app") => selfCommand({ ...started, env: { PATH }, cwd: () => cwd })
  expect(self(folder)).toEqual([name, ...runs, "bootstrap/main.ts"])
  expect(self(`/nowhere:${folder}`, "/other")).toEqual([name, ...runs, "/app/bootstrap/main.ts"])
  expect(self("/nowhere")).toEqual([process.execPath, ...runs, "bootstrap/main.ts"])
  expect(self(join(folder, "node_modules/.bin"))).toEqual([process.execPath, ...runs, "bootstrap/main.ts"])
  rmSync(folder, { recursive: true, force: true })
})
