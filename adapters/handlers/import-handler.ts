import { registerHooks } from "node:module"
import { extname } from "node:path"
import { pathToFileURL } from "node:url"

const EXTENSION = extname(new URL(import.meta.url).pathname)

/** What a handler's `import … from "roomcast"` resolves to: this very package, from sources or compiled. */
const SELF = new URL(`./roomcast${EXTENSION}`, import.meta.url).href

/**
 * Node resolves "roomcast" inside a handler by the resolve hook alone. Deno builds its module graph without that hook, but
 * runs it for what a module imports whose source came from a load hook: so each handler is imported by such a module. Its
 * address has an authority, for module runners (Vite's) leave such addresses to the runtime. Deno documents none of this;
 * tests/adapters/handlers/load-on-each-runtime.test.ts pins it.
 */
const VIA = "handler://file/"
const FILE = "file:///"

/** Of the modules that were imported as handlers, and of TypeScript that they import by a relative path. */
const modules = new Set<string>()

/**
 * A handler is an ES module whatever a package.json above it says, and `npm init` writes `"type": "commonjs"`. What it
 * imports in JavaScript may be either, so that keeps its own say.
 */
const fromHandler = (parent: string | undefined, url: string): boolean => {
  if (parent === undefined || url.includes("/node_modules/")) return false
  if (!parent.startsWith(VIA) && !(modules.has(parent) && url.endsWith(".ts"))) return false
  modules.add(url)
  return true
}

const formatOf = (url: string): "module" | "module-typescript" => (/\.m?ts$/.test(url) ? "module-typescript" : "module")

let registered = false

/** Hooks are for the whole process and stay. */
const register = (): void => {
  if (registered) return
  registered = true
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === "roomcast")
        return { url: SELF, format: EXTENSION === ".ts" ? "module-typescript" : "module", shortCircuit: true }
      if (specifier.startsWith(VIA)) return { url: specifier, format: "module", shortCircuit: true }
      const resolved = next(specifier, context)
      return fromHandler(context.parentURL, resolved.url) ? { ...resolved, format: formatOf(resolved.url) } : resolved
    },
    load: (url, context, next) =>
      url.startsWith(VIA)
        ? {
            format: "module",
            shortCircuit: true,
            source: `export * as file from ${JSON.stringify(`${FILE}${url.slice(VIA.length)}`)};`,
          }
        : next(url, context),
  })
}

/**
 * The default export of a handler module, undefined where it has none. Rejects with what the module threw or with its
 * syntax error, whose stack names file and line.
 */
export const importHandler = async (path: string): Promise<unknown> => {
  register()
  const url = pathToFileURL(path).href
  try {
    const module: { readonly file: { readonly default?: unknown } } = await import(
      /* @vite-ignore */ `${VIA}${url.slice(FILE.length)}`
    )
    return module.file.default
  } catch (error) {
    // Deno says no more than this of a module that does not parse: imported plainly it gives line and reason.
    if (error instanceof Error && error.message.includes("Loading unprepared module"))
      await import(/* @vite-ignore */ url)
    throw error
  }
}
