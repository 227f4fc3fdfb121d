import { randomBytes } from "node:crypto"
import { hashApiKey } from "#adapters/http/api-key.ts"
import { makeApiKey } from "#bootstrap/config.ts"
import type { Command } from "./command.ts"
import { type Flags, UsageError } from "./flags.ts"
import { EXIT, type Io } from "./io.ts"

const help = `Usage: roomcast key [flags]

Makes a credential for the HTTP API: prints it, once, and the entry that makes the gateway know it. The gateway keeps the
hash of an API key; a signing secret (Standard Webhooks) it keeps as it is.

  --id <name>            its name in logs and limits (backend)
  --scopes <list>        publish, read, manage, with commas between (publish,read)
  --signing              a secret that signs requests, not an API key; signs webhooks as well
  --json                 prints one JSON object

Examples:
  roomcast key --id shop --scopes publish
  roomcast key --id admin --scopes publish,read,manage --json
  roomcast key --signing

Exit codes: 0 done, 2 wrong usage.`

const SCOPES = ["publish", "read", "manage"]

const readScopes = (text: string): readonly string[] => {
  const scopes = [...new Set(text.split(",").map((scope) => scope.trim()))]
  const wrong = scopes.find((scope) => !SCOPES.includes(scope))
  if (wrong !== undefined) throw new UsageError(`--scopes takes ${SCOPES.join(", ")}, found "${wrong}"`)
  return scopes
}

const run = async (flags: Flags, io: Io): Promise<number> => {
  const id = flags.text("id") ?? "backend"
  if (!/^[\w.-]{1,64}$/.test(id)) throw new UsageError(`--id takes 1-64 letters, digits, . _ -, found "${id}"`)
  if (flags.positionals.length > 0) throw new UsageError(`unknown argument "${flags.positionals[0]}"`)
  const scopes = readScopes(flags.text("scopes") ?? "publish,read")
  const signing = flags.isOn("signing")
  const key = signing ? `whsec_${randomBytes(32).toString("base64")}` : makeApiKey()
  const entry = signing ? { id, secret: key, scopes } : { id, hash: hashApiKey(key), scopes }
  if (flags.isOn("json")) {
    io.out(JSON.stringify(signing ? entry : { key, ...entry }))
    return EXIT.done
  }
  const [name, value] = signing ? ["secret", key] : ["hash", entry.hash]
  io.out(signing ? "The signing secret, for the backend:" : "The API key, for the backend; it is not shown again:")
  io.out(`  ${key}`)
  io.out("The gateway's configuration:")
  io.out("  keys:")
  io.out(`    - { id: ${id}, ${name}: "${value}", scopes: [${scopes.join(", ")}] }`)
  io.out("or as a variable:")
  io.out(`  ROOMCAST_KEYS='${JSON.stringify([entry])}'`)
  return EXIT.done
}

export const key: Command = {
  flags: {
    id: { type: "string" },
    scopes: { type: "string" },
    signing: { type: "boolean" },
    json: { type: "boolean" },
  },
  help,
  run,
}
