import { readdir, stat } from "node:fs/promises"
import { extname, join, resolve } from "node:path"
import * as Data from "effect/Data"
import { type CheckedHandler, checkHandler } from "./handler-definition.ts"
import { describeFailure } from "./import-failure.ts"
import { importHandler } from "./import-handler.ts"

export interface LoadedHandler extends CheckedHandler {
  /** The file's name in the directory, for logs. */
  readonly file: string
}

export interface HandlerFault {
  /** Absolute path of the module, or of the directory. */
  readonly file: string
  readonly line: number | undefined
  readonly detail: string
}

/** The handlers' directory cannot be used: everything that is wrong with it, so that one look is enough. */
export class HandlersNotLoaded extends Data.TaggedError("HandlersNotLoaded")<{
  readonly faults: readonly HandlerFault[]
}> {
  override get message(): string {
    return this.faults
      .map(({ file, line, detail }) => `${file}${line === undefined ? "" : `:${line}`}: ${detail}`)
      .join("\n")
  }
}

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs"]
const OTHER_MODULES = [".cts", ".cjs", ".tsx", ".jsx"]
const IMPORT_TIMEOUT_MS = 30_000

const isDeclaration = (name: string): boolean => /\.d\.[mc]?ts$/.test(name)
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Links are followed, for a mounted ConfigMap is made of them. */
const isFile = async (path: string): Promise<boolean> => (await stat(path)).isFile()

const importInTime = async (path: string, timeoutMs: number): Promise<unknown> => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`its top level did not end within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([importHandler(path), late])
  } finally {
    clearTimeout(timer)
  }
}

const loadOne = async (
  path: string,
  file: string,
  timeoutMs: number,
): Promise<LoadedHandler | readonly HandlerFault[]> => {
  try {
    const exported = await importInTime(path, timeoutMs)
    if (exported === undefined) {
      const detail =
        "`export default defineHandler({ … })` is needed, found no default export (helpers go into files that begin with _)"
      return [{ file: path, line: undefined, detail }]
    }
    const checked = checkHandler(exported)
    return "handle" in checked
      ? { ...checked, file }
      : checked.map((detail) => ({ file: path, line: undefined, detail }))
  } catch (error) {
    return [{ file: path, ...(await describeFailure(error, path)) }]
  }
}

const doubles = (handlers: readonly LoadedHandler[], root: string): readonly HandlerFault[] => {
  const first = new Map<string, string>()
  const faults: HandlerFault[] = []
  for (const { on, file } of handlers) {
    if (!("event" in on)) continue
    const other = first.get(on.event)
    if (other === undefined) first.set(on.event, file)
    else {
      const detail = `an event has one handler, found one for ${JSON.stringify(on.event)} in ${other} too`
      faults.push({ file: join(root, file), line: undefined, detail })
    }
  }
  return faults
}

/**
 * Every handler of a directory, in the order of the files' names. A module is a file `*.ts`, `*.mts`, `*.js` or `*.mjs`;
 * what begins with `_` or `.` and declarations (`*.d.ts`) are left alone, and so are folders: helpers live there.
 */
export const loadHandlers = async (
  directory: string,
  importTimeoutMs = IMPORT_TIMEOUT_MS,
): Promise<readonly LoadedHandler[] | HandlersNotLoaded> => {
  const root = resolve(directory)
  const faults: HandlerFault[] = []
  const handlers: LoadedHandler[] = []
  try {
    for (const name of (await readdir(root)).sort()) {
      if (name.startsWith("_") || name.startsWith(".") || isDeclaration(name)) continue
      const path = join(root, name)
      const extension = extname(name)
      if (OTHER_MODULES.includes(extension)) {
        const detail = `a handler module is ${EXTENSIONS.join(", ")}, found ${extension}`
        faults.push({ file: path, line: undefined, detail })
      }
      if (!EXTENSIONS.includes(extension) || !(await isFile(path))) continue
      const loaded = await loadOne(path, name, importTimeoutMs)
      if ("handle" in loaded) handlers.push(loaded)
      else faults.push(...loaded)
    }
  } catch (error) {
    faults.push({
      file: root,
      line: undefined,
      detail: `a readable directory is needed for the key handlers: ${messageOf(error)}`,
    })
  }
  faults.push(...doubles(handlers, root))
  return faults.length > 0 ? new HandlersNotLoaded({ faults }) : handlers
}
