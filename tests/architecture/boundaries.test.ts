import { readdirSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { biomeFindings, type Found, plantedProject, ROOT } from "./planted-project.ts"

const RULE = "lint/style/noRestrictedImports"
const ADAPTERS = readdirSync(join(ROOT, "adapters"))

/** Every way to import something. */
const FORMS: Readonly<Record<string, (from: string) => string>> = {
  value: (from) => `import { x } from "${from}"\n\nexport const y = x\n`,
  "side effect": (from) => `import "${from}"\n`,
  namespace: (from) => `import * as x from "${from}"\n\nexport const y = x\n`,
  "type-only": (from) => `import type { X } from "${from}"\n\nexport type Y = X\n`,
  "re-export": (from) => `export { x } from "${from}"\n`,
  "re-export of all": (from) => `export * from "${from}"\n`,
  "re-export of a type": (from) => `export type { X } from "${from}"\n`,
  dynamic: (from) => `export const y = async (): Promise<unknown> => await import("${from}")\n`,
}

const EVERYWHERE = ["../domain/x.ts", "./../domain/x.ts", "./deeper/../../domain/x.ts", "#domain/../bootstrap/x.ts"]

/** What a folder must not import, whatever its allowlist says. */
const forbidden = (folder: string): readonly string[] => {
  if (folder === "domain")
    return [
      ...EVERYWHERE,
      "#domain/x.ts",
      "#application/x.ts",
      "#adapters/memory/x.ts",
      "#bootstrap/x.ts",
      "#tests/x.ts",
      "node:fs",
      "fs",
      "effect/Effect",
      "zod",
      "https://example.com/x.ts",
    ]
  if (folder === "application")
    return [
      ...EVERYWHERE,
      "#adapters/memory/x.ts",
      "#bootstrap/x.ts",
      "#tests/x.ts",
      "node:crypto",
      "hono",
      "socket.io",
    ]
  if (folder.startsWith("adapters/")) {
    const others = ADAPTERS.map((name) => `adapters/${name}`).filter((other) => other !== folder)
    return [
      ...EVERYWHERE,
      ...others.map((other) => `#${other}/x.ts`),
      ...others.slice(0, 1).map((other) => `../${other.slice("adapters/".length)}/x.ts`),
      `#${folder}/x.ts`,
      "./deeper/x.ts",
      "#bootstrap/x.ts",
      "#tests/x.ts",
      "node:child_process",
      "left-pad",
      folder === "adapters/http" ? "socket.io" : "hono",
    ]
  }
  return EVERYWHERE
}

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  domain: ["./x.ts"],
  application: ["./x.ts", "./ports/x.ts", "#application/x.ts", "#domain/x.ts", "effect/Effect"],
  bootstrap: ["./x.ts", "#adapters/http/x.ts", "#application/x.ts", "#domain/x.ts", "node:fs", "effect/Effect"],
  tests: ["./x.ts", "#adapters/http/x.ts", "#tests/support/x.ts", "#domain/x.ts", "node:fs"],
  ...Object.fromEntries(
    ADAPTERS.map((name) => [`adapters/${name}`, ["./x.ts", "#application/x.ts", "#domain/x.ts", "effect/Effect"]]),
  ),
}

/** Where a file is planted: the application has folders of its own. */
const placesOf = (folder: string): readonly string[] =>
  folder === "application" ? [folder, "application/ports", "application/use-cases"] : [folder]

const GLOBALS = [
  "Buffer",
  "Date",
  "Deno",
  "console",
  "crypto",
  "fetch",
  "globalThis",
  "performance",
  "process",
  "queueMicrotask",
  "require",
  "setImmediate",
  "setInterval",
  "setTimeout",
]

const slug = (text: string): string => text.replaceAll(/[^a-z0-9]+/gi, "-")

describe("the import boundaries", () => {
  const project = plantedProject()
  const planted = new Map<string, { readonly folder: string; readonly import: string; readonly allowed: boolean }>()
  let found: readonly Found[] = []

  beforeAll(() => {
    for (const folder of Object.keys(ALLOWED))
      for (const place of placesOf(folder))
        for (const [form, write] of Object.entries(FORMS))
          for (const [allowed, all] of [
            [false, forbidden(folder)],
            [true, ALLOWED[folder] ?? []],
          ] as const)
            for (const [i, from] of all.entries()) {
              const file = `${place}/${allowed ? "good" : "bad"}-${slug(form)}-${i}-${slug(from)}.ts`
              planted.set(file, { folder, import: `${form} ${from}`, allowed })
              project.plant({ [file]: write(from) })
            }
    for (const name of GLOBALS) project.plant({ [`domain/global-${name}.ts`]: `export const y = ${name}\n` })
    found = biomeFindings(project)
  })
  afterAll(() => project.remove())

  const refused = (file: string): boolean => found.some((one) => one.rule === RULE && one.file === file)

  for (const folder of Object.keys(ALLOWED)) {
    const ofFolder = () => [...planted].filter(([, plant]) => plant.folder === folder)

    it(`let ${folder} import nothing that it must not, in whatever form`, () => {
      const bad = ofFolder().filter(([, { allowed }]) => !allowed)
      expect(bad.length).toBeGreaterThanOrEqual(Object.keys(FORMS).length * EVERYWHERE.length)
      expect(bad.filter(([file]) => !refused(file)).map(([file, plant]) => `${file}: ${plant.import}`)).toEqual([])
    })

    it(`let ${folder} import what it may`, () => {
      const good = ofFolder().filter(([, { allowed }]) => allowed)
      expect(good.length).toBeGreaterThan(0)
      expect(good.filter(([file]) => refused(file)).map(([file, plant]) => `${file}: ${plant.import}`)).toEqual([])
    })
  }

  it("keep the time, chance, input and environment out of the domain", () => {
    for (const name of GLOBALS) {
      const rules = found.filter(({ file }) => file === `domain/global-${name}.ts`).map(({ rule }) => rule)
      expect(rules, name).toContain("lint/style/noRestrictedGlobals")
    }
  })
})
