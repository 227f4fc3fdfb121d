import { type Loaded, loadConfig } from "#bootstrap/config.ts"
import type { Mistake } from "#bootstrap/config-mistakes.ts"
import type { KeyFlag } from "#bootstrap/config-sources.ts"

export interface Given {
  readonly file?: string
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: Readonly<Record<string, string>>
  readonly production?: boolean
  /** Files beside the configuration, by path. */
  readonly files?: Readonly<Record<string, string>>
}

const load = ({ file, env = {}, flags = {}, production = false, files = {} }: Given) =>
  loadConfig({
    configFile: file === undefined ? undefined : "roomcast.yaml",
    flags: Object.entries(flags).map(([path, value]): KeyFlag => ({ name: `--${path}`, path, value })),
    env,
    production,
    readFile: (path) => {
      const text = path === "roomcast.yaml" ? file : files[path]
      if (text === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" })
      return text
    },
  })

export const loaded = (given: Given = {}): Loaded => {
  const result = load(given)
  if ("mistakes" in result) throw new Error(JSON.stringify(result.mistakes, null, 1))
  return result
}

/** Its mistakes; none where it loads. */
export const mistakesIn = (given: Given): readonly Mistake[] => {
  const result = load(given)
  return "mistakes" in result ? result.mistakes : []
}

/** The keys that are mistaken, sorted. */
export const mistakenKeys = (given: Given): readonly string[] =>
  mistakesIn(given)
    .map(({ key }) => key)
    .sort()

export const STRONG_SECRET = "Zm4tq8vWc2Lr0pXy7sKd5hJb9gNf3uTe"
export const STRONG_KEY = "rc_9sT2kLw7Qz4xNc8vBj1mHf6yRd3pGa5u"
