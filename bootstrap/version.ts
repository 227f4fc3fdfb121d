import { readFileSync } from "node:fs"

/** The package's version; the build writes a package.json above the compiled files too. */
const readVersion = (): string => {
  const json: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
  if (typeof json === "object" && json !== null && "version" in json && typeof json.version === "string")
    return json.version
  throw new Error("package.json has no version")
}

export const version: string = readVersion()
