import { spawn } from "node:child_process"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { afterEach, describe, expect, it } from "vitest"
import { type RunningCli, runCli, startCli } from "#tests/support/run-cli.ts"
import { until } from "#tests/support/until.ts"

let running: RunningCli | undefined
afterEach(async () => {
  running?.process.kill("SIGKILL")
  await running?.ended
  running = undefined
})

const serve = async (...args: string[]): Promise<RunningCli> => {
  const started = startCli(["serve", "--port", "0", "--log-level", "warning", ...args])
  running = started
  await until("the gateway to say what to do next", () => {
    if (started.process.exitCode !== null) throw new Error(started.err())
    return started.out().includes("\nProduction:")
  })
  return started
}

/** A line of its output, run as it is by a shell in the project's folder: another terminal. */
const paste = (line: string) => {
  const shell = spawn("sh", ["-c", line], { cwd: fileURLToPath(new URL("../..", import.meta.url)) })
  let text = ""
  for (const stream of [shell.stdout, shell.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk))
  const ended = new Promise<number | null>((resolve) => shell.once("close", resolve))
  return { text: () => text, ended }
}

describe("roomcast serve", () => {
  it("prints two lines that work as printed, and ends with 0 at SIGTERM", async () => {
    const gateway = await serve()
    const [listen = "", push = ""] = gateway
      .out()
      .split("\n")
      .filter((line) => line.startsWith("  ") && / (tail|POST) /.test(line))
    const client = paste(`${listen} --count 1`)
    await until("the client to be in the room", () => client.text().includes("connected, in demo"))
    const backend = paste(push)
    expect(await backend.ended).toBe(0)
    expect(backend.text()).toContain('"offset":')
    expect(await client.ended).toBe(0)
    expect(client.text()).toContain('demo  hello  {"text":"It works"}')
    // Not `child.kill`: Deno then reports the signal, however the child ended.
    process.kill(gateway.process.pid ?? 0, "SIGTERM")
    expect(await gateway.ended).toMatchObject({ code: 0, err: "" })
  })

  it("serves what push and tail ask of it", async () => {
    const gateway = await serve()
    const url = /http:\S+/.exec(gateway.out())?.[0] ?? ""
    const env = {
      ROOMCAST_URL: url,
      ROOMCAST_API_KEY: /rc_[\w-]+/.exec(gateway.out())?.[0] ?? "",
      ROOMCAST_TOKEN: /eyJ[\w.-]+/.exec(gateway.out())?.[0] ?? "",
    }
    const pushed = await runCli(["push", "chat:1", "message", "-"], { env, input: '{"text":"from stdin"}' })
    expect(pushed).toMatchObject({ code: 0, err: "" })
    expect(JSON.parse(pushed.out)).toMatchObject({ id: expect.any(String), offset: expect.any(String) })
    const tailed = await runCli(["tail", "chat:1", "--recent", "5", "--count", "1", "--json"], { env })
    expect(tailed.code).toBe(0)
    expect(JSON.parse(tailed.out)).toMatchObject({
      event: "message",
      data: { text: "from stdin" },
      meta: { id: JSON.parse(pushed.out).id, room: "chat:1" },
    })
    const refused = await runCli(["push", "no room", "message"], { env })
    expect(refused).toMatchObject({ code: 1, out: "" })
    expect(refused.err).toMatch(/^roomcast push: refused with 422: invalid_request: /)
    const stranger = await runCli(["tail", "chat:1"], { env: { ROOMCAST_URL: url, ROOMCAST_TOKEN: "x.y.z" } })
    expect(stranger).toMatchObject({ code: 1, out: "" })
    expect(stranger.err).toContain("roomcast tail: not connected: unauthorized: ")
    const outside = await runCli(["tail", "a room"], { env })
    expect(outside.code).toBe(1)
    expect(outside.err).toContain("roomcast tail: a room: ")
  })

  it("does not start with mistakes, and lists them", async () => {
    const result = await runCli(["serve", "--production"], { env: { ROOMCAST_JWT_SECRET: "changeme" } })
    expect(result).toMatchObject({ code: 1, out: "" })
    expect(result.err).toContain("roomcast: 2 mistakes in the configuration\n")
    expect(result.err).toContain(
      "  jwt.secret  (environment ROOMCAST_JWT_SECRET)\n    found:   a weak secret: it has 8 bytes\n",
    )
    expect(result.err).not.toContain("changeme")
  })

  it("says in one line that its port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1")
    await new Promise((resolve) => server.once("listening", resolve))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const result = await runCli(["serve", "--port", `${port}`])
    server.close()
    expect(result.code).toBe(1)
    expect(result.err).toMatch(
      /^roomcast: it does not start: .*address already in use.*: choose another with --port\n$/,
    )
  })
})
