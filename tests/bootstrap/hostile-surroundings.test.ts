import { spawn } from "node:child_process"
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { jwtVerify } from "jose"
import { afterAll, describe, expect, it } from "vitest"
import { freePort } from "#tests/support/free-port.ts"
import { runCli } from "#tests/support/run-cli.ts"
import { until } from "#tests/support/until.ts"

const MAIN = fileURLToPath(new URL("../../bootstrap/main.ts", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "roomcast-test-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** `roomcast` with a standard output that takes nothing. */
const onFullDisk = (...args: readonly string[]) => {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env["PATH"], HOME: folder },
    stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
  })
  let err = ""
  child.stderr?.on("data", (chunk: Buffer) => (err += chunk))
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  return { child, ended, err: () => err }
}

describe("a full disk under standard output", () => {
  it("does not end the gateway and everybody's connections", async () => {
    const port = await freePort()
    const { child, ended, err } = onFullDisk("serve", "--port", String(port), "--log-level", "debug")
    const isReady = () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    try {
      await until("the gateway", isReady, 30_000)
      for (let i = 0; i < 5; i++) expect(await isReady()).toBe(true)
      expect(err()).toContain("the log cannot be written to standard output: ENOSPC")
    } finally {
      child.kill("SIGTERM")
    }
    expect(await ended).toBe(0)
  })

  it("fails a command in one line, for its result is lost", async () => {
    const { ended, err } = onFullDisk("key")
    expect(await ended).toBe(1)
    expect(err()).toMatch(/^roomcast: standard output cannot be written: ENOSPC.*\n$/)
  })
})

describe("a secret's file", () => {
  const tokenBy = (bytes: Uint8Array | string) => {
    const file = join(folder, "secret")
    writeFileSync(file, bytes)
    return runCli(["token", "--sub", "ann"], { env: { ROOMCAST_JWT_SECRET_FILE: file } })
  }

  it("of random bytes is refused, whose secret would be another one than its issuer's", async () => {
    const { code, err, out } = await tokenBy(Uint8Array.of(0x61, 0xff, 0xfe, 0x62))
    expect({ code, out }).toEqual({ code: 1, out: "" })
    expect(err).toContain("no file that can be read (it is not UTF-8)")
  })

  it("may begin with an editor's byte order mark, which is no part of the secret", async () => {
    const { out } = await tokenBy("\uFEFFthe-same-secret\r\n")
    const { payload } = await jwtVerify(out.trim(), new TextEncoder().encode("the-same-secret"))
    expect(payload.sub).toBe("ann")
  })
})

describe("the command line", () => {
  it.each([
    ["a key with a line's end", ["--key", "rc_hunter2\nx"]],
    ["a URL with a password", ["--key", "k", "--url", "http://ann:hunter2@127.0.0.1:1"]],
    ["another scheme's URL with a password", ["--key", "k", "--url", "ftp://ann:hunter2@127.0.0.1:1"]],
    ["a password in what is no URL", ["--key", "k", "--url", "ann:hunter2@127.0.0.1:1"]],
  ])("does not show %s, which fetch and URL would", async (_, args) => {
    const { code, err, out } = await runCli(["push", "a", "b", ...args])
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).not.toContain("hunter2")
  })

  it.each([
    ["a user that is no name", ["--sub", "a\nb"], "sub"],
    ["an empty pattern", ["--sub", "a", "--rooms", ""], "rooms"],
    ["info that is too large", ["--sub", "a", "--info", `"${"x".repeat(3_000)}"`], "info"],
  ])("signs no token with %s, for the gateway would refuse it", async (_, args, claim) => {
    const { code, err, out } = await runCli(["token", ...args], { env: { ROOMCAST_JWT_SECRET: "a-secret" } })
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toContain(`the gateway would refuse it: the token's ${claim}`)
  })

  it("prints what clients and proxies answer without letting it steer the terminal", async () => {
    const answers = [
      [200, '{"responses":[{"data":"\u009b2J\u202e"}]}'],
      [502, "\u001b]0;owned\u0007"],
    ] as const
    const server = createServer((_, response) => {
      const [status, body] = answers[served++] ?? answers[0]
      response.writeHead(status).end(body)
    })
    let served = 0
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const push = () => runCli(["push", "a", "b", "--key", "k", "--url", url])
    expect((await push()).out).toBe('{"responses":[{"data":"\\u009b2J\\u202e"}]}\n')
    expect((await push()).err).toBe("roomcast push: refused with 502: \\u001b]0;owned\\u0007\n")
    server.close()
  })
})
