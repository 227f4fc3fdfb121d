import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"

/** A script as Redis knows it: by the digest of its text. */
export interface LuaScript {
  readonly name: string
  readonly text: string
  readonly sha: string
}

const read = (name: string): string => readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8")

/** Reads the script of that name beside this file, after what it builds on. */
export const luaScript = (name: string, ...before: readonly string[]): LuaScript => {
  const text = [...before, name].map(read).join("\n")
  return { name, text, sha: createHash("sha1").update(text).digest("hex") }
}

/**
 * The keys of a script that finds others of that name by itself. The first never exists, so that a cluster that moves
 * their slot refuses the script (`TRYAGAIN`) until it has moved all of them: with one key it would run it where half of
 * them are.
 */
export const keysNamed = (name: string): readonly [string, string] => [name, `${name}:number`]
