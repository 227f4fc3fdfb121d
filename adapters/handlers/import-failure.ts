import { readFile } from "node:fs/promises"
import module from "node:module"
import { dirname, extname, sep } from "node:path"
import { pathToFileURL } from "node:url"
import { stripVTControlCharacters } from "node:util"

export interface ImportFailure {
  readonly line: number | undefined
  readonly detail: string
}

/** The line that a stack names first in this file. */
const lineIn = (stack: string, path: string): number | undefined => {
  for (const name of [pathToFileURL(path).href, path]) {
    for (let at = stack.indexOf(name); at >= 0; at = stack.indexOf(name, at + 1)) {
      const line = /^:(\d+)/.exec(stack.slice(at + name.length))?.[1]
      if (line !== undefined) return Number(line)
    }
  }
  return undefined
}

/** Node gives a syntax error in JavaScript no place; its TypeScript parser, which reads JavaScript too, does. */
const lineOfSyntaxError = async (path: string): Promise<number | undefined> => {
  if (extname(path) !== ".js" && extname(path) !== ".mjs") return undefined
  const source = await readFile(path, "utf8")
  try {
    module.stripTypeScriptTypes?.(source, { sourceUrl: path })
    return undefined
  } catch (error) {
    return error instanceof Error ? Number(/:(\d+)/.exec(error.stack ?? "")?.[1] ?? Number.NaN) || undefined : undefined
  }
}

/** The first place in the module's own folder that a stack names: a helper's. */
const helperIn = (stack: string, path: string): string | undefined => {
  const folder = dirname(path)
  for (const base of [pathToFileURL(`${folder}${sep}`).href, `${folder}${sep}`]) {
    const at = stack.indexOf(base)
    const place = at < 0 ? undefined : /^[^\s:]+:\d+/.exec(stack.slice(at + base.length))?.[0]
    if (place !== undefined) return place
  }
  return undefined
}

/** What an import that failed has to say, in one line or a few, for whoever wrote the module. */
export const describeFailure = async (error: unknown, path: string): Promise<ImportFailure> => {
  if (!(error instanceof Error)) return { line: undefined, detail: `it threw ${String(error)}` }
  const detail = stripVTControlCharacters(error.message)
  const stack = stripVTControlCharacters(error.stack ?? "")
  const line =
    lineIn(`${detail}\n${stack}`, path) ?? (error instanceof SyntaxError ? await lineOfSyntaxError(path) : undefined)
  if (line !== undefined) return { line, detail }
  const helper = helperIn(stack, path)
  return { line, detail: helper === undefined ? detail : `${detail} (in ${helper})` }
}
