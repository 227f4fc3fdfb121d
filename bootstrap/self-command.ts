import { realpathSync } from "node:fs"
import { delimiter, join, relative } from "node:path"

interface Started {
  readonly argv: readonly string[]
  readonly execPath: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: () => string
}

/** Whether a shell that npm did not set up finds this very program by its name. */
const isOnPath = (name: string, { execPath, env }: Started): boolean => {
  const { PATH = "" } = env
  for (const folder of PATH.split(delimiter).filter((entry) => !/node_modules|node-gyp-bin/.test(entry))) {
    try {
      return realpathSync(join(folder, name)) === realpathSync(execPath)
    } catch {
      // Not in this folder.
    }
  }
  return false
}

/**
 * The command that starts this program from another terminal in the same folder, however it was started: `npm start`
 * and `npx` put their own Node first on PATH, and npx keeps packages in a folder of its own.
 */
export const selfCommand = (started: Started): readonly string[] => {
  const { argv, execPath } = started
  const name = "Deno" in globalThis ? "deno" : "node"
  const program = isOnPath(name, started) ? name : execPath
  const entry = argv[1] ?? ""
  const near = relative(started.cwd(), entry)
  return [program, ...(name === "deno" ? ["run", "-A"] : []), near.startsWith("..") ? entry : near]
}
