import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { version } from "#bootstrap/version.ts"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const NODE = join(ROOT, "node_modules/node/bin/node")
let folder = ""
let installed = ""

const run = (command: string, args: readonly string[], cwd: string) => {
  const { status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8" })
  return { code: status, out: stdout, err: stderr }
}

/** Packs, and puts the package into an empty folder as npm would, with this project's copies of its dependencies. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "roomcast-package-"))
  const packed = run("npm", ["pack", "--silent", "--pack-destination", folder], ROOT)
  expect(packed, packed.err).toMatchObject({ code: 0 })
  expect(run("tar", ["-xzf", join(folder, `roomcast-${version}.tgz`), "-C", folder], ROOT).code).toBe(0)
  const modules = join(folder, "app", "node_modules")
  mkdirSync(modules, { recursive: true })
  installed = join(modules, "roomcast")
  expect(run("mv", [join(folder, "package"), installed], ROOT).code).toBe(0)
  const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"))
  for (const name of Object.keys(dependencies)) {
    if (name.startsWith("@")) mkdirSync(join(modules, name.split("/")[0] ?? ""), { recursive: true })
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name))
  }
}, 180_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("the published package", () => {
  it("holds the compiled program and its types, and no sources or tests", () => {
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" })
    expect(files).toEqual(expect.arrayContaining(["LICENSE", "dist/bin.cjs", "dist/bootstrap/index.d.ts"]))
    expect(files.filter((file) => /(?<!\.d)\.ts$|^tests|\/tests\//.test(file))).toEqual([])
  })

  it("runs as roomcast", () => {
    const app = join(folder, "app")
    const bin = join(installed, "dist/bin.cjs")
    expect(run(NODE, [bin, "--version"], app)).toEqual({ code: 0, out: `${version}\n`, err: "" })
    expect(run(NODE, [bin, "serve", "--help"], app).out).toContain("Usage: roomcast serve")
    expect(run(NODE, [bin, "serve", "--port", "x"], app)).toMatchObject({ code: 1 })
  })

  it("types handler modules, and refuses a wrong one", () => {
    const handler = (body: string) => `import { defineHandler, z } from "roomcast"
export default defineHandler({
  event: "chat.send",
  input: z.object({ text: z.string() }),
  async handle({ text }, { userId, push }) { ${body} },
})\n`
    writeFileSync(
      join(folder, "app", "right.ts"),
      handler("return push({ to: { users: [userId] }, event: text, data: 1 })"),
    )
    writeFileSync(
      join(folder, "app", "wrong.ts"),
      handler("return push({ to: { users: userId }, event: text, data: 1 })"),
    )
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024", "--skipLibCheck"]
    const check = (file: string) =>
      run(NODE, [join(ROOT, "node_modules/typescript/bin/tsc"), ...options, file], join(folder, "app"))
    expect(check("right.ts")).toMatchObject({ code: 0, out: "" })
    expect(check("wrong.ts").out).toContain("wrong.ts(5,")
  })
})
