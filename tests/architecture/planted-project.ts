import { type SpawnSyncReturns, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

export const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const BIN = join(ROOT, "node_modules", ".bin")
const CONFIGURATION = [".biome.jsonc", ".gitignore", "package.json", "tsconfig.json"]

/** A project elsewhere with this one's configuration and packages, and with the test's own files in it. */
export interface PlantedProject {
  readonly plant: (files: Readonly<Record<string, string>>) => void
  readonly manifest: (change: (manifest: Record<string, unknown>) => Record<string, unknown>) => void
  /** Runs one of the project's tools there. */
  readonly run: (tool: string, ...args: string[]) => SpawnSyncReturns<string>
  readonly remove: () => void
}

export const plantedProject = (): PlantedProject => {
  const directory = mkdtempSync(join(tmpdir(), "roomcast-planted-"))
  for (const file of CONFIGURATION) cpSync(join(ROOT, file), join(directory, file))
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"), "dir")
  const path = join(directory, "package.json")
  return {
    plant: (files) => {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(directory, name)), { recursive: true })
        writeFileSync(join(directory, name), text)
      }
    },
    manifest: (change) => {
      writeFileSync(path, `${JSON.stringify(change(JSON.parse(readFileSync(path, "utf8"))), null, 2)}\n`)
    },
    run: (tool, ...args) => {
      const ran = spawnSync(join(BIN, tool), args, {
        cwd: directory,
        encoding: "utf8",
        env: { ...process.env, PATH: `${BIN}${delimiter}${process.env["PATH"] ?? ""}`, NO_COLOR: "1" },
        maxBuffer: 64 * 1024 * 1024,
        timeout: 50_000,
      })
      if (ran.error !== undefined) throw ran.error
      return ran
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

export interface Found {
  readonly rule: string
  readonly file: string
}

/** What `biome check` finds, as the project's own check runs it. Fails where it found nothing to check. */
export const biomeFindings = (project: PlantedProject): readonly Found[] => {
  const { stdout } = project.run(
    "biome",
    "check",
    "--error-on-warnings",
    "--reporter=json",
    "--max-diagnostics=none",
    ".",
  )
  const report: {
    readonly diagnostics: readonly { readonly category: string; readonly location: { readonly path: string } }[]
  } = JSON.parse(stdout)
  return report.diagnostics.map(({ category, location }) => ({ rule: category, file: location.path }))
}
