import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const MAIN = fileURLToPath(new URL("../../bootstrap/main.ts", import.meta.url))

/** The runtime that this test runs in, with what it needs to run a program. */
const RUNTIME_ARGS: readonly string[] = "Deno" in globalThis ? ["run", "-A", "--no-check"] : []

export interface CliResult {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface RunningCli {
  readonly process: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly ended: Promise<CliResult>
}

/** Starts `roomcast` in a process of its own, with nothing of the test's environment but PATH. */
export const startCli = (
  args: readonly string[],
  { env = {}, input = "" }: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
): RunningCli => {
  const home = mkdtempSync(join(tmpdir(), "roomcast-cli-"))
  const child = spawn(process.execPath, [...RUNTIME_ARGS, MAIN, ...args], {
    env: { PATH: process.env["PATH"], HOME: home, NO_COLOR: "1", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  })
  child.stdin.end(input)
  let out = ""
  let err = ""
  child.stdout.on("data", (chunk: Buffer) => (out += chunk))
  child.stderr.on("data", (chunk: Buffer) => (err += chunk))
  const ended = new Promise<CliResult>((resolve) =>
    child.once("close", (code) => {
      rmSync(home, { recursive: true, force: true })
      resolve({ code, out, err })
    }),
  )
  return { process: child, out: () => out, err: () => err, ended }
}

/** Runs `roomcast` to its end. */
export const runCli = (...parameters: Parameters<typeof startCli>): Promise<CliResult> => startCli(...parameters).ended
