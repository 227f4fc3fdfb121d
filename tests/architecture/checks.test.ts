import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { biomeFindings, type Found, plantedProject } from "./planted-project.ts"

describe("the linter and the formatter", () => {
  const project = plantedProject()
  let found: readonly Found[] = []

  const PLANTS: Readonly<Record<string, { readonly rule: string; readonly text: string }>> = {
    "a line that is not formatted": { rule: "format", text: 'export const x   = { a:1 };\nexport const y = "b"\n' },
    "imports out of order": {
      rule: "assist/source/organizeImports",
      text: 'import { b } from "./b.ts"\nimport { a } from "./a.ts"\n\nexport const y = [a, b]\n',
    },
    "a promise that nobody waits for": {
      rule: "lint/nursery/noFloatingPromises",
      text: "const work = async (): Promise<void> => {}\nexport const begin = (): void => {\n  work()\n}\n",
    },
    "a promise where a condition should be": {
      rule: "lint/nursery/noMisusedPromises",
      text: "const ask = async (): Promise<boolean> => false\nexport const y = (): number => {\n  if (ask()) return 1\n  return 2\n}\n",
    },
    "an any": { rule: "lint/suspicious/noExplicitAny", text: "export const x: any = 1\n" },
    "a non-null assertion": {
      rule: "lint/style/noNonNullAssertion",
      text: "export const x = (y: string | undefined): string => y!\n",
    },
    "a silenced compiler": {
      rule: "lint/suspicious/noTsIgnore",
      text: '// @ts-ignore\nexport const x: number = "a"\n',
    },
    "a line to the console": { rule: "lint/suspicious/noConsole", text: 'console.log("x")\n' },
    "an unused variable": { rule: "lint/correctness/noUnusedVariables", text: "const x = 1\n" },
    "an unused import": { rule: "lint/correctness/noUnusedImports", text: 'import { x } from "./x.ts"\n' },
    "an import without its extension": {
      rule: "lint/correctness/useImportExtensions",
      text: 'import { right } from "./right"\n\nexport const y = right\n',
    },
    "a parameter that is assigned": {
      rule: "lint/style/noParameterAssign",
      text: "export const x = (y: number): number => {\n  y = 2\n  return y\n}\n",
    },
  }
  const fileOf = (what: string): string => `application/${what.replaceAll(/\W+/g, "-")}.ts`

  beforeAll(() => {
    for (const [what, { text }] of Object.entries(PLANTS)) project.plant({ [fileOf(what)]: text })
    project.plant({
      "application/right.ts": "export const right = 1\n",
      "application/circle-one.ts": 'import { two } from "./circle-two.ts"\n\nexport const one = (): unknown => two\n',
      "application/circle-two.ts": 'import { one } from "./circle-one.ts"\n\nexport const two = (): unknown => one\n',
      "tests/skipped.test.ts": 'import { it } from "vitest"\n\nit.skip("is not run", () => {})\n',
      "tests/focused.test.ts": 'import { it } from "vitest"\n\nit.only("hides the others", () => {})\n',
    })
    found = biomeFindings(project)
  })
  afterAll(() => project.remove())

  const rulesOf = (file: string): readonly string[] => found.filter((one) => one.file === file).map(({ rule }) => rule)

  for (const [what, { rule }] of Object.entries(PLANTS))
    it(`refuse ${what}`, () => {
      expect(rulesOf(fileOf(what))).toContain(rule)
    })

  it("refuse modules that import each other in a circle", () => {
    for (const file of ["application/circle-one.ts", "application/circle-two.ts"])
      expect(rulesOf(file)).toContain("lint/suspicious/noImportCycles")
  })

  it("refuse a test that is skipped, and one that lets no other run", () => {
    expect(rulesOf("tests/skipped.test.ts")).toContain("lint/suspicious/noSkippedTests")
    expect(rulesOf("tests/focused.test.ts")).toContain("lint/suspicious/noFocusedTests")
  })

  it("find nothing in a file where nothing is wrong", () => {
    expect(rulesOf("application/right.ts")).toEqual([])
  })

  it("end with an error that stops whoever runs them", () => {
    expect(project.run("biome", "check", "--error-on-warnings", ".").status).not.toBe(0)
  })
})

describe("the type checks", () => {
  const project = plantedProject()
  const floating =
    'import * as Effect from "effect/Effect"\n\nexport const begin = (): void => {\n  Effect.log("never")\n}\n'
  const starless =
    'import * as Effect from "effect/Effect"\n\nexport const all = Effect.gen(function* () {\n  const one = yield Effect.succeed(1)\n  return one\n})\n'
  const forgotten =
    'import * as Effect from "effect/Effect"\n\nexport const all = Effect.gen(function* () {\n  Effect.log("never")\n  yield* Effect.void\n})\n'
  const wrong = 'export const wrong: number = "text"\n'

  beforeAll(() =>
    project.plant({
      "application/floating.ts": floating,
      "application/starless.ts": starless,
      "application/forgotten.ts": forgotten,
      "application/right.ts": "export const right = 1\n",
      "adapters/memory/wrong.ts": wrong,
      "adapters/memory/unchecked.ts": "export const first = (all: readonly string[]): string => all[0]\n",
      "adapters/memory/enum.ts": "export enum Colour {\n  Red,\n}\n",
      "tests/wrong.ts": wrong,
    }),
  )
  afterAll(() => project.remove())

  it("refuse an Effect that nobody runs, and one that is yielded without its star", () => {
    const ran = project.run("effect-tsgo", "diagnostics", "--project", "tsconfig.json", "--strict", "--format", "json")
    const report: {
      readonly diagnostics: readonly { readonly file: string; readonly name: string; readonly severity: string }[]
      readonly summary: { readonly filesChecked: number }
    } = JSON.parse(ran.stdout)
    const names = (file: string): readonly string[] =>
      report.diagnostics.filter((one) => one.file.endsWith(`/${file}`)).map(({ name }) => name)
    expect(names("application/floating.ts")).toEqual(["floatingEffect"])
    expect(names("application/forgotten.ts")).toEqual(["floatingEffect"])
    expect(names("application/starless.ts")).toEqual(["missingStarInYieldEffectGen"])
    expect(names("application/right.ts")).toEqual([])
    expect(report.summary.filesChecked).toBe(8)
    expect(ran.status).not.toBe(0)
  })

  it("refuse a type error, an index that may be missing, and what type stripping cannot run, in code and in tests", () => {
    const ran = project.run("tsc", "-p", ".")
    expect(ran.stdout).toMatch(/^adapters\/memory\/wrong\.ts\(1,14\): error TS2322/m)
    expect(ran.stdout).toMatch(/^adapters\/memory\/unchecked\.ts\(1,.*error TS2322/m)
    expect(ran.stdout).toMatch(/^adapters\/memory\/enum\.ts\(1,13\): error TS1294/m)
    expect(ran.stdout).toMatch(/^tests\/wrong\.ts\(1,14\): error TS2322/m)
    expect(ran.stdout).not.toMatch(/right\.ts/)
    expect(ran.status).not.toBe(0)
  })
})

describe("the search for what nobody uses", () => {
  const project = plantedProject()
  beforeAll(() => {
    project.manifest(({ dependencies, ...manifest }) => ({
      ...manifest,
      scripts: { start: "node bootstrap/main.ts", build: "node bootstrap/build.ts" },
      dependencies: { hono: "*", "left-over": "*" },
      devDependencies: {},
    }))
    project.plant({
      "bootstrap/main.ts":
        'import { Hono } from "hono"\nimport { used } from "#domain/one.ts"\n\nexport const app = [Hono, used]\n',
      "bootstrap/index.ts": "export const part = 1\n",
      "bootstrap/build.ts": "export {}\n",
      "bootstrap/bin.cjs": "module.exports = {}\n",
      "domain/one.ts":
        "export const used = 1\nexport const unused = 2\nexport interface Unused {\n  readonly a: 1\n}\n",
      "domain/orphan.ts": "export const orphan = 1\n",
      "examples/handlers/example.ts": "export default 1\n",
      "tests/domain/one.test.ts": 'import { helper } from "#tests/support/help.ts"\n\nhelper()\n',
      "tests/support/help.ts": "export const helper = (): void => {}\nexport const unhelpful = (): void => {}\n",
      "application/needy.ts": 'import { x } from "not-listed"\n\nexport const y = x\n',
      "tests/domain/two.test.ts": 'import { y } from "#application/needy.ts"\n\nexport const z = y\n',
    })
  })
  afterAll(() => project.remove())

  it("finds an unused export, type, file and dependency, and a package that is not listed, and no more", () => {
    const ran = project.run("knip", "--reporter", "json")
    type Named = readonly { readonly name: string }[]
    const report: {
      readonly issues: readonly ({ readonly file: string } & Readonly<
        Record<"dependencies" | "exports" | "files" | "types" | "unlisted", Named>
      >)[]
    } = JSON.parse(ran.stdout)
    const found = (kind: "dependencies" | "exports" | "files" | "types" | "unlisted"): readonly string[] =>
      report.issues.flatMap((issue) => (issue[kind] ?? []).map(({ name }) => `${issue.file}: ${name}`)).toSorted()
    expect(found("exports")).toEqual(["domain/one.ts: unused", "tests/support/help.ts: unhelpful"])
    expect(found("types")).toEqual(["domain/one.ts: Unused"])
    expect(found("dependencies")).toEqual(["package.json: left-over"])
    expect(found("unlisted")).toContain("application/needy.ts: not-listed")
    expect(found("files")).toEqual(["domain/orphan.ts: domain/orphan.ts"])
    expect(ran.status).not.toBe(0)
  })
})
