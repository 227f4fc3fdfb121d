import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import process from "node:process"

/**
 * The dependencies' audit: the registry's own where it has one, and in any case the versions below which this project's
 * packages have a published vulnerability, so that the check says something without a network too.
 */
const FLOORS: Readonly<Record<string, string>> = {
  "engine.io": "6.6.12", // CVE-2026-59725, GHSA-gr94-w7qr-f4j3
  "socket.io": "4.8.4", // CVE-2024-38355
  "socket.io-parser": "4.2.7", // CVE-2026-69185, CVE-2026-33151
  ws: "8.21.3", // CVE-2026-48779; the gateway's own server uses the root's, below
}
const ROOT_FLOORS: Readonly<Record<string, string>> = { ws: "8.23.0" } // unbounded pongs to a peer that does not read

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>
}

const isBelow = (version: string, floor: string): boolean => {
  const [a, b] = [version, floor].map((text) => text.split(".").map(Number))
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** What the lockfile has below its floor. */
export const belowFloor = (lock: Lock): readonly string[] =>
  Object.entries(lock.packages).flatMap(([path, { version }]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)
    const floors = [FLOORS[name], path === `node_modules/${name}` ? ROOT_FLOORS[name] : undefined]
    return floors
      .filter((floor) => floor !== undefined && version !== undefined && isBelow(version, floor))
      .map((floor) => `${name} ${version} is below ${floor}`)
  })

if (import.meta.main) {
  const found = belowFloor(JSON.parse(readFileSync("package-lock.json", "utf8")))
  for (const line of found) console.error(line)
  const { status, stdout } = spawnSync("npm", ["audit", "--omit=dev", "--audit-level=high", "--json"], {
    encoding: "utf8",
  })
  let answered = false
  try {
    answered = "vulnerabilities" in JSON.parse(stdout)
  } catch {
    answered = false
  }
  if (answered) console.log(stdout)
  else console.log("npm audit: this registry answers no audit; the versions' floors were checked")
  if (found.length > 0 || (answered && status !== 0)) process.exit(1)
}
