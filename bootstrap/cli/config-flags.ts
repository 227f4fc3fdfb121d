import type { Loaded, Refused } from "#bootstrap/config.ts"
import { loadConfig } from "#bootstrap/config.ts"
import type { Mistake } from "#bootstrap/config-mistakes.ts"
import type { KeyFlag } from "#bootstrap/config-sources.ts"
import { type FlagSpecs, type Flags, UsageError } from "./flags.ts"
import type { Io } from "./io.ts"

/** Flags with a name of their own; every other key is set with `--set`. */
const KEY_FLAGS: Readonly<Record<string, string>> = {
  port: "port",
  host: "host",
  engine: "engine",
  "node-id": "nodeId",
  handlers: "handlers",
  "log-level": "log.level",
}

export const CONFIG_FLAGS: FlagSpecs = {
  config: { type: "string" },
  production: { type: "boolean" },
  set: { type: "string", many: true },
  ...Object.fromEntries(Object.keys(KEY_FLAGS).map((name) => [name, { type: "string" }])),
}

export const CONFIG_FLAGS_HELP = `  --config <file>        a YAML or JSON file (ROOMCAST_CONFIG)
  --production           refuse what is only for development (NODE_ENV=production)
  --port <number>        where it listens (ROOMCAST_PORT)
  --host <address>       the address it listens at (ROOMCAST_HOST)
  --engine <name>        where shared state lives: memory, redis (ROOMCAST_ENGINE)
  --node-id <name>       this node's name (ROOMCAST_NODE_ID)
  --handlers <directory> handler modules (ROOMCAST_HANDLERS)
  --log-level <level>    trace, debug, info, warning, error, fatal (ROOMCAST_LOG_LEVEL)
  --set <key>=<value>    any other key, such as limits.eventsPerSecond=10; may be repeated`

const setFlag = (text: string): KeyFlag => {
  const at = text.indexOf("=")
  if (at < 1)
    throw new UsageError(`--set takes key=value, such as limits.eventsPerSecond=10, found "${text.slice(0, 40)}"`)
  return { name: "--set", path: text.slice(0, at), value: text.slice(at + 1) }
}

/** Loads the configuration that the command line, the environment and the file give. */
export const loadFrom = (flags: Flags, io: Pick<Io, "env" | "readFile">): Loaded | Refused =>
  loadConfig({
    configFile: flags.text("config"),
    production: flags.isOn("production"),
    flags: [
      ...Object.entries(KEY_FLAGS).flatMap(([name, path]) => {
        const value = flags.text(name)
        return value === undefined ? [] : [{ name: `--${name}`, path, value }]
      }),
      ...flags.all("set").map(setFlag),
    ],
    env: io.env,
    readFile: io.readFile,
  })

/** Every mistake, three lines each. */
export const printMistakes = (mistakes: readonly Mistake[], io: Pick<Io, "err">): void => {
  io.err(`roomcast: ${mistakes.length} ${mistakes.length === 1 ? "mistake" : "mistakes"} in the configuration`)
  for (const { key, found, allowed, source } of mistakes) {
    io.err("")
    io.err(`  ${key}  (${source})`)
    io.err(`    found:   ${found}`)
    io.err(`    allowed: ${allowed}`)
  }
}
