import { configJsonSchema, showConfig } from "#bootstrap/show-config.ts"
import type { Command } from "./command.ts"
import { CONFIG_FLAGS, CONFIG_FLAGS_HELP, loadFrom, printMistakes } from "./config-flags.ts"
import { type Flags, UsageError } from "./flags.ts"
import { EXIT, type Io } from "./io.ts"

const help = `Usage: roomcast config check | print | schema [flags]

check   lists every mistake in the configuration: its key, what was found, what is allowed
print   prints the configuration in force, defaults included; secrets are not shown
schema  prints its JSON Schema, for editors

Each key may stand in a file, in a variable (limits.eventsPerSecond: ROOMCAST_LIMITS_EVENTS_PER_SECOND; with _FILE after
it the variable names a file that holds the value) or behind --set; flags win over variables, variables over the file.

${CONFIG_FLAGS_HELP}

Examples:
  roomcast config check --config roomcast.yaml --production
  ROOMCAST_LIMITS_EVENTS_PER_SECOND=10 roomcast config print
  roomcast config schema > roomcast.schema.json

Exit codes: 0 right, 1 mistakes, 2 wrong usage.`

const ACTIONS = ["check", "print", "schema"]

const run = async (flags: Flags, io: Io): Promise<number> => {
  const [action, ...more] = flags.positionals
  if (action === undefined || !ACTIONS.includes(action) || more.length > 0)
    throw new UsageError(
      `say one of ${ACTIONS.join(", ")}${action === undefined ? "" : `, found "${flags.positionals.join(" ")}"`}`,
    )
  if (action === "schema") {
    io.out(configJsonSchema())
    return EXIT.done
  }
  const loaded = loadFrom(flags, io)
  if ("mistakes" in loaded) {
    printMistakes(loaded.mistakes, io)
    return EXIT.failed
  }
  for (const warning of loaded.warnings) io.err(`warning: ${warning}`)
  io.out(action === "print" ? showConfig(loaded) : "the configuration is right")
  return EXIT.done
}

export const config: Command = { flags: CONFIG_FLAGS, help, run }
