import { LineCounter, parseDocument } from "yaml"
import type { ConfigDraft } from "./config-draft.ts"

const FORM = "a YAML or JSON file with an object of keys (`roomcast config print` shows one)"

/** The file's values, or what is wrong with it: the place, not the text, for that may hold a secret. */
const parseFile = (text: string): Record<string, unknown> | readonly string[] => {
  const lines = new LineCounter()
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines })
  // A tag that nobody resolves, as in `secret: !env SECRET`, would leave its text as the value.
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0)
    return faults.map((error) => {
      const { line, col } = lines.linePos(error.pos[0])
      return `line ${line}, column ${col}: ${error.code.toLowerCase().replaceAll("_", " ")}`
    })
  let values: unknown
  try {
    values = document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch {
    return ["aliases that cannot be resolved"]
  }
  if (typeof values !== "object" || values === null) return [`a ${typeof values}`]
  return Array.isArray(values) ? ["a list"] : { ...values }
}

const readText = (path: string, readFile: (path: string) => string): ReturnType<typeof parseFile> => {
  let text: string
  try {
    text = readFile(path)
  } catch (error) {
    return [`no file that can be read (${reasonOf(error)})`]
  }
  return parseFile(text)
}

const isList = (read: ReturnType<typeof parseFile>): read is readonly string[] => Array.isArray(read)

/** Reads a configuration file into the draft. */
export const readConfigFile = (draft: ConfigDraft, path: string, readFile: (path: string) => string): void => {
  const read = readText(path, readFile)
  if (!isList(read)) draft.begin(read, `file ${path}`)
  else for (const found of read) draft.mistakes.push({ key: path, found, allowed: FORM, source: "configuration file" })
}

/** `ENOENT` and the like; on Deno, the error's name. */
export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "unknown"
  if (error instanceof TypeError) return "it is not UTF-8"
  return "code" in error && typeof error.code === "string" ? error.code : error.name
}
