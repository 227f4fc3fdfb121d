import { readFileSync } from "node:fs"
import { text } from "node:stream/consumers"
import { printable } from "#adapters/logtape/log-line.ts"
import { runCli } from "./cli.ts"
import { selfCommand } from "./self-command.ts"

// A gateway goes on without whoever, or whatever disk, took its logs: the logger says so. A command's reader that has
// enough (`roomcast tail … | head`) is no failure; a full disk is one.
const goesOn = process.argv[2] === "serve"
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (goesOn) return
  if (error.code === "EPIPE") process.exit(0)
  process.stderr.write(`roomcast: standard output cannot be written: ${error.message}\n`)
  process.exit(1)
})
process.stderr.on("error", () => {})

/** Refuses what is no UTF-8, for half a secret is none, and leaves out a byte order mark. */
const readText = (path: string): string => new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path))

process.exitCode = await runCli(process.argv.slice(2), {
  out: (line) => void process.stdout.write(`${printable(line)}\n`),
  err: (line) => void process.stderr.write(`${printable(line)}\n`),
  env: process.env,
  readFile: readText,
  readStdin: () => text(process.stdin),
  self: selfCommand(process),
  exit: (code) => process.exit(code),
})
