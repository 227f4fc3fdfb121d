import { z } from "zod"
import { bare, KEYS, type Key, keysOf } from "./config-keys.ts"

const INTRO = `# Configuration

Defaults < file < environment < flags. Every mistake is reported at once, with its key, what was found and what is
allowed; \`roomcast config check\` does so without starting, \`roomcast config print\` shows what is in force.

- **File**: YAML or JSON, named by \`ROOMCAST_CONFIG\` or \`--config\`. An example is \`examples/roomcast.yaml\`;
  \`roomcast config schema\` prints the JSON Schema that is beside this page (\`roomcast.schema.json\`), for editors.
- **Environment**: \`ROOMCAST_\` and the key (\`limits.connectionsPerUser\`: \`ROOMCAST_LIMITS_CONNECTIONS_PER_USER\`). Lists
  of texts are written with commas between them, other lists and whole groups as JSON. With \`_FILE\` after its name a
  variable names a file that holds the value, such as a mounted secret. An empty variable counts as not set; one that
  does not exist is a mistake, save what Kubernetes sets for a Service named roomcast, which is passed over with a warning.
- **Flags**: \`--port\`, \`--host\`, \`--engine\`, \`--node-id\`, \`--handlers\`, \`--log-level\`; \`--set key=value\` for any other.
- **Durations** are written \`500ms\`, \`30s\`, \`2m\`, \`24h\`, \`7d\`, or as a whole number of ms; sizes in bytes.
- **Patterns**: \`*\` matches any run of characters, everything else itself.

## Development and production

Development is whatever is not production: \`NODE_ENV=production\` or \`--production\`. It makes up only what is left out
(\`jwt.secret\` where nothing checks tokens, \`apiKey\` where there is no key, open \`rooms\` where there are none), and admits
pages of every origin. Production makes nothing up: it refuses to start without a way to check tokens and without an API
key, and refuses secrets that are short, repeated, counted up or made of well-known words.

## Keys

`

const code = (text: string): string => `\`${text}\``

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("*", "\\*")

const defaultOf = (key: Key): string => {
  const value = key.default
  if (value === undefined) return ""
  return code(typeof value === "string" ? value : JSON.stringify(value))
}

/** Durations are explained once, above. */
const allowedOf = (key: Key): string => (key.facts?.allowed ?? "").replace(/, written .*/, "")

const cellsOf = (key: Key, withVariable: boolean): readonly string[] => {
  const cells = [code(key.path), cell(key.about), cell(allowedOf(key)), defaultOf(key)]
  return withVariable ? [...cells, code(key.env)] : cells
}

/** Columns aligned, as the formatter wants them. */
const table = (keys: readonly Key[], withVariable: boolean): string => {
  const head = ["key", "what it is", "allowed", "default", ...(withVariable ? ["variable"] : [])]
  const rows = [head, ...keys.map((key) => cellsOf(key, withVariable))]
  const widths = head.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[], filler: string): string =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0, filler)).join(" | ")} |`
  const rule = line(
    head.map(() => ""),
    "-",
  )
  return [line(head, " "), rule, ...rows.slice(1).map((cells) => line(cells, " "))].join("\n")
}

/** The keys of a list's items; none where the items are texts. */
const itemKeys = (key: Key): readonly Key[] => {
  const inner = bare(key.schema)
  const item = inner instanceof z.ZodArray ? bare(inner.def.element) : undefined
  return item instanceof z.ZodObject ? keysOf(item, `${key.path}[].`) : []
}

const section = (group: Key): string => {
  const keys = KEYS.filter((key) => key.path.startsWith(`${group.path}.`))
  const items = [group, ...keys].flatMap((key) => {
    const inside = itemKeys(key)
    return inside.length === 0
      ? []
      : [
          table(
            inside.filter((it) => it.facts !== undefined),
            false,
          ),
        ]
  })
  const own = group.facts === undefined ? keys.filter((key) => key.facts !== undefined) : [group]
  const about = group.facts === undefined ? [cell(group.about)] : []
  return [`### ${group.path}`, ...about, table(own, true), ...items].join("\n\n")
}

/** The reference page, from the schema. */
export const configReference = (): string => {
  const top = KEYS.filter((key) => !key.path.includes("."))
  const isPlain = (key: Key): boolean => key.facts !== undefined && key.facts.kind !== "list"
  const plain = table(top.filter(isPlain), true)
  const groups = top.filter((key) => !isPlain(key)).map(section)
  return `${INTRO}${[plain, ...groups].join("\n\n")}\n`
}
