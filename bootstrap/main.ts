import { readFileSync } from "node:fs"
import { text } from "node:stream/consumers"
import { runCli } from "./cli.ts"
import { selfCommand } from "./self-command.ts"

// A reader that has enough (`roomcast tail … | head`) is no failure; a gateway goes on without one for its logs.
const outlivesReaders = process.argv[2] === "serve"
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  if (!outlivesReaders) process.exit(0)
})
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
})

process.exitCode = await runCli(process.argv.slice(2), {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  env: process.env,
  readFile: (path) => readFileSync(path, "utf8"),
  readStdin: () => text(process.stdin),
  self: selfCommand(process),
  exit: (code) => process.exit(code),
})
