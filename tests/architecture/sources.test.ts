import { readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { describe, expect, it } from "vitest"
import { ROOT } from "./planted-project.ts"

const LAYERS = ["domain", "application", "adapters", "bootstrap"] as const
const MAX_LINES = 300

const filesIn = (folder: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))

const sources = LAYERS.flatMap(filesIn)
const textOf = (file: string): string => readFileSync(join(ROOT, file), "utf8")
/** What stands where a module is named, however it is imported. */
const SPECIFIER = /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*(?:\/\*.*?\*\/\s*)?["'`]([^"'`]*)["'`]/g
const specifiers = (file: string): readonly string[] =>
  [...textOf(file).matchAll(SPECIFIER)].map(([, from]) => from ?? "")

const offenders = (files: readonly string[], offends: (file: string) => boolean): readonly string[] =>
  files.filter(offends)

describe("the source", () => {
  it("is there: four layers of it", () => {
    for (const layer of LAYERS)
      expect(sources.filter((file) => file.startsWith(`${layer}/`)).length).toBeGreaterThan(10)
    expect(specifiers("application/services.ts")).toContain("./ports/engine.ts")
  })

  it("has no file of more than 300 lines", () => {
    expect(offenders(sources, (file) => textOf(file).split("\n").length > MAX_LINES + 1)).toEqual([])
  })

  it("names a module beside it by ./ and one of another layer by #, and never climbs", () => {
    const climbs = (from: string): boolean => from.split("/").includes("..")
    const scripts = sources.filter((file) => !file.endsWith(".json"))
    expect(offenders(scripts, (file) => specifiers(file).some(climbs))).toEqual([])
  })

  it("names modules in the inner layers where the linter sees it: at the top, not inside a type or a template", () => {
    const hidden = /\bimport\(\s*["'`]|\brequire\(/
    const inner = sources.filter((file) => !file.startsWith("bootstrap/"))
    expect(offenders(inner, (file) => hidden.test(textOf(file)))).toEqual([])
  })

  it("leaves chance to the adapters", () => {
    const inner = [...filesIn("domain"), ...filesIn("application")]
    expect(offenders(inner, (file) => /Math\.random|randomUUID|getRandomValues/.test(textOf(file)))).toEqual([])
  })

  it("silences neither the compiler nor the linter", () => {
    const silencers = /@ts-(?:ignore|expect-error|nocheck)|biome-ignore|eslint-disable|@effect-diagnostics/
    expect(offenders(sources, (file) => silencers.test(textOf(file)))).toEqual([])
  })

  it("has no drawer for what has no name, and one index only: what the package exports", () => {
    const drawer = /^(?:index|utils?|common|helpers?|types|misc|shared)\.[cm]?[jt]s$/
    expect(offenders(sources, (file) => drawer.test(basename(file)))).toEqual(["bootstrap/index.ts"])
  })
})

describe("the one command that checks everything", () => {
  it("runs the linter, both type checks and the search for what is unused, each strictly", () => {
    const { scripts }: { readonly scripts: Readonly<Record<string, string>> } = JSON.parse(textOf("package.json"))
    expect(scripts["lint"]).toBe("biome check --error-on-warnings .")
    expect(scripts["types"]).toBe("tsc -p . && effect-tsgo diagnostics --project tsconfig.json --strict")
    expect(scripts["unused"]).toBe("knip")
    for (const check of ["lint", "types", "unused"]) expect(scripts["check"]).toContain(`npm run ${check}`)
    expect(scripts["test"]).toContain("npm run check && ")
  })
})
