import { stringify } from "yaml"
import { z } from "zod"
import type { Config, Loaded } from "./config.ts"
import { schemaAt } from "./config-keys.ts"
import { facts } from "./config-leaf.ts"
import { configSchema } from "./config-schema.ts"

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const

/** As it would be written, in its largest whole unit. */
export const formatDuration = (ms: number): string => {
  const [unit, length] = UNITS.find(([, length]) => ms > 0 && ms % length === 0) ?? ["ms", 1]
  return `${ms / length}${unit}`
}

const shown = (path: readonly PropertyKey[], value: unknown): unknown => {
  const known = facts.get(schemaAt(path))
  if (known?.secret === true) return "(hidden)"
  if (Array.isArray(value)) return value.map((item, i) => shown([...path, i], item))
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([name, item]) => [name, shown([...path, name], item)]),
    )
  if (known?.kind === "duration" && typeof value === "number") return formatDuration(value)
  // The query of a webhook's or key set's URL may hold a secret.
  return typeof value === "string" && /^https?:[^?]*\?/.test(value) ? value.replace(/\?.*$/, "?(hidden)") : value
}

/** The configuration in force, as a file would have it, in the schema's order; secrets are not shown. */
export const showConfig = ({ config, generated }: Pick<Loaded, "config" | "generated">): string => {
  const values: Readonly<Record<string, unknown>> = { ...config } satisfies Config
  const entries = Object.keys(configSchema.shape)
    .filter((name) => values[name] !== undefined)
    .map((name) => [name, shown([name], values[name])] as const)
  const notes = generated.map((key) => `# made up at this start, not configured: ${key}\n`).join("")
  return `# ${config.production ? "production" : "development"}\n${notes}${stringify(Object.fromEntries(entries)).trimEnd()}`
}

/** The configuration's JSON Schema (draft 2020-12), for editors. */
export const configJsonSchema = (): string =>
  JSON.stringify({ title: "Roomcast", ...z.toJSONSchema(configSchema, { io: "input" }) }, null, 2)
