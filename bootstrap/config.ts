import { randomBytes } from "node:crypto"
import { type CrossFault, crossFaults } from "./config-checks.ts"
import { doubts } from "./config-doubts.ts"
import type { ConfigDraft } from "./config-draft.ts"
import { formatPath } from "./config-keys.ts"
import { type Mistake, mistakesOf, valueAt } from "./config-mistakes.ts"
import { leftOut, weakSecrets } from "./config-production.ts"
import { configSchema, type ParsedConfig } from "./config-schema.ts"
import { readSources, type Sources } from "./config-sources.ts"

/** What the gateway starts with: checked, complete. Durations are in ms. */
export type Config = Omit<ParsedConfig, "host" | "log" | "nodeId" | "rooms"> & {
  readonly production: boolean
  readonly host: string
  readonly nodeId: string
  readonly rooms: NonNullable<ParsedConfig["rooms"]>
  readonly log: Omit<ParsedConfig["log"], "format"> & { readonly format: "json" | "pretty" }
}

/** What development made up because nobody gave it. */
type Generated = "jwt.secret" | "apiKey" | "rooms"

export interface Loaded {
  readonly config: Config
  readonly warnings: readonly string[]
  readonly generated: readonly Generated[]
}

export interface Refused {
  readonly mistakes: readonly Mistake[]
}

/** Takes a value away, and where there is none, what should have held it. */
const remove = (root: unknown, path: readonly PropertyKey[]): void => {
  const last = path.at(-1)
  if (last === undefined) return
  const holder = valueAt(root, path.slice(0, -1))
  // A list goes as a whole: what is left of it would be counted wrong.
  if (typeof holder !== "object" || holder === null || Array.isArray(holder) || !Object.hasOwn(holder, last))
    remove(root, path.slice(0, -1))
  else Reflect.deleteProperty(holder, last)
}

/** The configuration as it would be without its mistakes: so that the checks across keys run in the same pass. */
const withoutMistakes = (values: unknown): ParsedConfig => {
  const rest: unknown = structuredClone(values)
  for (;;) {
    const parsed = configSchema.safeParse(rest)
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues) {
      if (issue.code !== "unrecognized_keys") remove(rest, issue.path)
      else for (const name of issue.keys) remove(rest, [...issue.path, name])
    }
  }
}

const isIn = (key: string, group: string): boolean =>
  key === group || (key.startsWith(group) && /^[.[]/.test(key.slice(group.length)))

/** Whether a mistake that was found already may be all that is behind it. */
const isExplained = ({ path, given = [] }: CrossFault, mistakes: readonly Mistake[]): boolean =>
  mistakes.some(({ key }) => isIn(formatPath(path), key) || given.some((other) => isIn(other, key) || isIn(key, other)))

const findMistakes = (draft: ConfigDraft, parsed: ParsedConfig, production: boolean): readonly Mistake[] => {
  const result = configSchema.safeParse(draft.values)
  const sourceOf = (path: readonly PropertyKey[]): string => draft.sourceOf(path)
  const own = [...draft.mistakes, ...(result.success ? [] : mistakesOf(result.error.issues, draft.values, sourceOf))]
  const across = [...crossFaults(parsed), ...(production ? [...weakSecrets(parsed), ...leftOut(parsed)] : [])]
  return [
    ...own,
    ...across
      .filter((fault) => !isExplained(fault, own))
      .map(({ path, found, allowed }) => ({ key: formatPath(path), found, allowed, source: sourceOf(path) })),
  ]
}

/** An API key: 256 random bits. */
export const makeApiKey = (): string => `rc_${randomBytes(32).toString("base64url")}`

const OPEN_RULE: Config["rooms"] = [
  { match: "*", join: "anyone", publish: "members", presence: true, history: { size: 100, ttl: 3_600_000 } },
]

/** Development makes up what is left out, and nothing else. */
const complete = (parsed: ParsedConfig, production: boolean): Omit<Loaded, "warnings"> => {
  const { jwt } = parsed
  const generated: Generated[] = []
  const make = (what: Generated, isLeftOut: boolean): boolean => {
    if (production || !isLeftOut) return false
    generated.push(what)
    return true
  }
  const secret = make("jwt.secret", (jwt.secret ?? jwt.publicKey ?? jwt.jwksUrl) === undefined)
    ? randomBytes(32).toString("base64url")
    : jwt.secret
  const apiKey = make("apiKey", parsed.apiKey === undefined && parsed.keys.length === 0) ? makeApiKey() : parsed.apiKey
  const rooms = make("rooms", parsed.rooms === undefined) ? OPEN_RULE : (parsed.rooms ?? [])
  return {
    generated,
    config: {
      ...parsed,
      production,
      host: parsed.host ?? (production ? "0.0.0.0" : "127.0.0.1"),
      nodeId: parsed.nodeId ?? `n${randomBytes(5).toString("hex")}`,
      jwt: { ...jwt, secret },
      apiKey,
      rooms,
      log: { ...parsed.log, format: parsed.log.format ?? (production ? "json" : "pretty") },
    },
  }
}

/** Defaults < file < environment < flags; every mistake at once. */
export const loadConfig = (sources: Sources & { readonly production: boolean }): Loaded | Refused => {
  const { NODE_ENV } = sources.env
  const production = sources.production || NODE_ENV === "production"
  const draft = readSources(sources)
  const parsed = withoutMistakes(draft.values)
  const mistakes = findMistakes(draft, parsed, production)
  if (mistakes.length > 0) return { mistakes }
  const weak = production ? [] : weakSecrets(parsed)
  const completed = complete(parsed, production)
  const own = completed.generated.filter((key) => key !== "rooms")
  return {
    ...completed,
    warnings: [
      ...draft.warnings,
      ...doubts(parsed, production),
      ...(parsed.engine === "redis" && own.length > 0
        ? [`${own.join(" and ")}: made up by this node alone, so that others refuse it; all nodes need the same`]
        : []),
      ...weak.map(({ path, found }) => `${formatPath(path)} is ${found}; production refuses it`),
    ],
  }
}
