import { spawn } from "node:child_process"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { describe, expect, it, onTestFinished } from "vitest"

const script = fileURLToPath(new URL("./log-until-told.ts", import.meta.url))

const child = () => {
  const args = process.versions["deno"] === undefined ? [script] : ["run", "-A", script]
  const running = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
  onTestFinished(() => {
    running.kill("SIGKILL")
  })
  let said = ""
  running.stderr.on("data", (chunk) => {
    said += String(chunk)
  })
  const ended = new Promise<number | null>((resolve) => running.on("close", resolve))
  return { running, said: () => said, ended }
}

describe("standard output", () => {
  it("that nobody reads holds a bounded number of bytes: the rest is lost, and told once", async () => {
    const { running, said, ended } = child()
    await expect.poll(said, { timeout: 20_000 }).toContain("done, waiting:")
    expect(Number(/waiting: (\d+)/.exec(said())?.[1])).toBeLessThan(4_300_000)
    expect(said().match(/log records are lost/g)).toHaveLength(1)
    running.stdout.resume()
    expect(await ended).toBe(0)
  })

  it("whose reader went away stops neither the gateway nor its end, and is told once", async () => {
    const { running, said, ended } = child()
    running.stdout.once("data", () => running.stdout.destroy())
    expect(await ended).toBe(0)
    expect(said()).toContain("done, waiting:")
    expect(said().match(/cannot be written to standard output/g)).toHaveLength(1)
  })
})
