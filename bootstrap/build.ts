import { spawnSync } from "node:child_process"
import { chmodSync, copyFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { version } from "./version.ts"

/** Makes `dist/`: what the package publishes. Compiled, typed, with its own names for the layers. */
const root = fileURLToPath(new URL("..", import.meta.url))
const dist = join(root, "dist")
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc")

rmSync(dist, { recursive: true, force: true })
const compiled = spawnSync(process.execPath, [tsc, "-p", join(root, "bootstrap", "tsconfig.build.json")], {
  stdio: "inherit",
})
if (compiled.status !== 0) process.exit(compiled.status ?? 1)

// Scripts of the redis engine, which are read beside the code.
const scripts = join("adapters", "redis")
for (const file of readdirSync(join(root, scripts)))
  if (file.endsWith(".lua")) copyFileSync(join(root, scripts, file), join(dist, scripts, file))

const LAYERS = ["domain", "application", "adapters", "bootstrap"]
const imports = Object.fromEntries(LAYERS.map((layer) => [`#${layer}/*.ts`, `./${layer}/*.js`]))
writeFileSync(join(dist, "package.json"), `${JSON.stringify({ version, type: "module", imports }, null, 2)}\n`)
copyFileSync(join(root, "bootstrap", "bin.cjs"), join(dist, "bin.cjs"))
chmodSync(join(dist, "bin.cjs"), 0o755)
