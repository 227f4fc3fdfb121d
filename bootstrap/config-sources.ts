import { ConfigDraft } from "./config-draft.ts"
import { readConfigFile, reasonOf } from "./config-file.ts"
import { KEYS, type Key } from "./config-keys.ts"
import type { Mistake } from "./config-mistakes.ts"
import { isFromKubernetes } from "./kubernetes-names.ts"
import { nearest } from "./nearest.ts"

export type Environment = Readonly<Record<string, string | undefined>>

/** One flag of the command line that sets a key: `--port 80`, or `--set limits.eventsPerSecond=10`. */
export interface KeyFlag {
  readonly name: string
  readonly path: string
  readonly value: string
}

export interface Sources {
  /** A file named on the command line. */
  readonly configFile: string | undefined
  readonly flags: readonly KeyFlag[]
  readonly env: Environment
  /** Throws where the file cannot be read. */
  readonly readFile: (path: string) => string
}

/** Variables that are no keys: the file's name, and what `push` and `tail` read. */
const OTHERS = ["ROOMCAST_CONFIG", "ROOMCAST_URL", "ROOMCAST_TOKEN"]

/** Text from a mounted file, without the line end that editors put there; or what is wrong. */
const readSecretFile = (key: Key, name: string, path: string, sources: Sources): string | Omit<Mistake, "source"> => {
  if ((sources.env[key.env] ?? "") !== "")
    return { key: key.path, found: `${key.env} as well`, allowed: `one of ${key.env} and ${name}` }
  try {
    return sources.readFile(path).replace(/\r?\n$/, "")
  } catch (error) {
    const found = `no file that can be read (${reasonOf(error)})`
    return { key: key.path, found, allowed: "the path of a file with the value" }
  }
}

const readEnvironment = (draft: ConfigDraft, sources: Sources): void => {
  const left = new Map<string, string>()
  const passedOver: string[] = []
  for (const [name, value = ""] of Object.entries(sources.env).sort()) {
    if (!name.startsWith("ROOMCAST_") || value === "" || OTHERS.includes(name)) continue
    if (isFromKubernetes(name, value)) passedOver.push(name)
    else left.set(name, value)
  }
  if (passedOver.length > 0)
    draft.warnings.push(`passed over what Kubernetes sets for a Service named roomcast: ${passedOver.join(", ")}`)
  for (const key of KEYS) {
    const value = left.get(key.env)
    if (value === undefined) continue
    left.delete(key.env)
    draft.setText(key, value, `environment ${key.env}`)
  }
  for (const key of KEYS) {
    const name = `${key.env}_FILE`
    const path = left.get(name)
    if (path === undefined) continue
    left.delete(name)
    const source = `environment ${name}`
    const read = readSecretFile(key, name, path, sources)
    if (typeof read === "string") draft.setText(key, read, source)
    else draft.mistakes.push({ ...read, source })
  }
  const known = [...KEYS.map((key) => key.env), ...OTHERS]
  for (const name of left.keys()) {
    const meant = nearest(name, known)
    draft.mistakes.push({
      key: name,
      found: "a variable that does not exist",
      allowed: meant === undefined ? "ROOMCAST_ and a key's name (`roomcast config --help`)" : `did you mean ${meant}?`,
      source: "environment",
    })
  }
}

const readFlags = (draft: ConfigDraft, flags: readonly KeyFlag[]): void => {
  for (const { name, path, value } of flags) {
    const key = KEYS.find((candidate) => candidate.path === path)
    if (key !== undefined) {
      draft.setText(key, value, `flag ${name}`)
      continue
    }
    const meant = nearest(
      path,
      KEYS.map((candidate) => candidate.path),
    )
    draft.mistakes.push({
      key: path,
      found: "a key that does not exist",
      allowed: meant === undefined ? "a key (`roomcast config print` lists them)" : `did you mean ${meant}?`,
      source: `flag ${name}`,
    })
  }
}

/** File < environment < flags. */
export const readSources = (sources: Sources): ConfigDraft => {
  const draft = new ConfigDraft("not set")
  const { ROOMCAST_CONFIG } = sources.env
  const path = sources.configFile ?? (ROOMCAST_CONFIG || undefined)
  if (path !== undefined) readConfigFile(draft, path, sources.readFile)
  readEnvironment(draft, sources)
  readFlags(draft, sources.flags)
  return draft
}
