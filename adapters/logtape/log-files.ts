import { promises as fs } from "node:fs"
import { basename, dirname, join } from "node:path"

export interface FileOptions {
  readonly path: string
  /** A file is ended before it grows past this. */
  readonly maxBytes: number
  /** Files in all: `path`, which is written to, `path.1`, the newest of the others, and so on. */
  readonly maxFiles: number
  /** A file is ended after a `maxFiles`th of this, and deleted when it was last written to so long ago; 0: never. */
  readonly maxAgeMs: number
}

const unlessMissing = (error: unknown): void => {
  if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error
}

/** Step by step: Node's own `recursive` never ends where a folder can be made in no way, as below /proc. */
export const makeFolder = async (path: string): Promise<void> => {
  const make = (): Promise<void> =>
    fs.mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error
    })
  try {
    await make()
  } catch (error) {
    unlessMissing(error)
    const parent = dirname(path)
    if (parent === path) throw error
    await makeFolder(parent)
    await make()
  }
}

/** Makes room for a new file at `path`; the oldest one is overwritten. */
export const shiftFiles = async ({ path, maxFiles }: FileOptions): Promise<void> => {
  if (maxFiles <= 1) await fs.rm(path, { force: true })
  for (let n = maxFiles - 1; n >= 1; n--)
    await fs.rename(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`).catch(unlessMissing)
}

/** Deletes what is too old, and what is one too many since fewer were configured. */
export const deleteFiles = async ({ path, maxFiles, maxAgeMs }: FileOptions): Promise<void> => {
  const prefix = `${basename(path)}.`
  for (const name of await fs.readdir(dirname(path))) {
    const number = name.startsWith(prefix) ? name.slice(prefix.length) : ""
    if (!/^[1-9]\d{0,5}$/.test(number)) continue
    const file = join(dirname(path), name)
    const { mtimeMs } = await fs.stat(file)
    const isTooOld = maxAgeMs > 0 && Date.now() - mtimeMs >= maxAgeMs
    if (Number(number) >= maxFiles || isTooOld) await fs.rm(file, { force: true })
  }
}
