import { mkdir, symlink, writeFile } from "node:fs/promises"
import { join, relative } from "node:path"
import process from "node:process"
import { describe, expect, it } from "vitest"
import { HandlersNotLoaded, loadHandlers } from "#adapters/handlers/load-handlers.ts"
import { folderOf, handlerModule, openHandlers } from "./handler-fixture.ts"

const simple = (event: string): string =>
  `import { defineHandler } from "roomcast"\nexport default defineHandler({ event: ${JSON.stringify(event)}, handle: () => ${JSON.stringify(event)} })\n`

/** Each fault as `file:line: detail`, with the file's name alone. */
const faultsOf = async (files: Readonly<Record<string, string>>, timeoutMs?: number): Promise<readonly string[]> => {
  await using folder = await folderOf(files)
  const loaded = await loadHandlers(folder.path, timeoutMs)
  if (!(loaded instanceof HandlersNotLoaded)) throw new Error(`it loaded ${loaded.length}`)
  for (const { file } of loaded.faults) expect(file).toContain(folder.path)
  return loaded.message.split("\n").map((line) => line.replaceAll(`${folder.path}/`, ""))
}

describe("a directory of handlers", () => {
  it("is loaded from anywhere, in TypeScript and JavaScript, with helpers beside, sorted by name", async () => {
    await using folder = await folderOf({
      "d.mjs": simple("d"),
      "a.ts":
        'import { twice } from "./_helper.ts"\n' +
        'import { defineHandler, z } from "roomcast"\n' +
        'type Both = { readonly n: number }\nexport default defineHandler({ event: "a", input: z.object({ n: z.number() }), handle: ({ n }: Both): number => twice(n) })\n',
      "b.mts": simple("b"),
      "c.js": simple("c"),
      "_helper.ts": "export const twice = (n: number): number => n * 2\n",
      "_draft.ts": "this is not even a module",
      ".hidden.ts": "nor is this",
      "types.d.ts": "declare module 'x'",
      "README.md": "# Handlers",
      "data.json": "{}",
    })
    await mkdir(join(folder.path, "parts"))
    await writeFile(join(folder.path, "parts", "e.ts"), simple("e"))
    const loaded = await loadHandlers(folder.path)
    if (loaded instanceof HandlersNotLoaded) throw loaded
    expect(loaded.map(({ file }) => file)).toEqual(["a.ts", "b.mts", "c.js", "d.mjs"])
    await using handlers = await openHandlers(folder.path)
    expect(await handlers.run("a", { n: 21 })).toEqual({ data: 42 })
    for (const event of ["b", "c", "d"]) expect(await handlers.run(event)).toEqual({ data: event })
    expect(handlers.port.handles("a")).toBe(true)
    expect(handlers.port.handles("e")).toBe(false)
    expect(handlers.logs.entries[0]).toMatchObject({
      message: "handlers loaded",
      annotations: { category: ["adapters", "handlers"], files: ["a.ts", "b.mts", "c.js", "d.mjs"] },
    })
  })

  it("may be given relative to the working directory, and may hold links, as a mounted ConfigMap does", async () => {
    await using real = await folderOf({ "a.ts": simple("a") })
    await using mounted = await folderOf({})
    await symlink(real.path, join(mounted.path, "..data"))
    await symlink(join("..data", "a.ts"), join(mounted.path, "a.ts"))
    await using handlers = await openHandlers(relative(process.cwd(), mounted.path))
    expect(await handlers.run("a")).toEqual({ data: "a" })
  })

  it("may be empty, and need not be there at all", async () => {
    await using folder = await folderOf({})
    await using empty = await openHandlers(folder.path)
    expect(empty.port.handles("a")).toBe(false)
    await using none = await openHandlers(undefined)
    expect(none.port.handles("a")).toBe(false)
    expect(none.logs.entries).toEqual([])
    expect(await none.run("a")).toEqual({ error: { code: "handler_failed", message: "the event's handler failed" } })
  })

  it("that is not there, or is a file, stops the start", async () => {
    await using folder = await folderOf({ "a.ts": simple("a") })
    for (const path of [join(folder.path, "missing"), join(folder.path, "a.ts")]) {
      const loaded = await loadHandlers(path)
      expect(loaded).toBeInstanceOf(HandlersNotLoaded)
      expect(String(loaded)).toContain(`${path}: a readable directory is needed for the key handlers`)
    }
    await expect(openHandlers(join(folder.path, "missing"))).rejects.toThrow("a readable directory is needed")
  })
})

describe("a handler module that cannot be used stops the start", () => {
  it("with everything that is wrong in any file, at once", async () => {
    const faults = await faultsOf({
      "a.ts": "export const notDefault = 1\n",
      "b.ts": handlerModule("handle: () => 1").replace('"it"', '"room:mine"'),
      "c.cjs": "module.exports = {}",
      "d.ts": simple("fine"),
    })
    expect(faults).toEqual([
      "a.ts: `export default defineHandler({ … })` is needed, found no default export (helpers go into files that begin with _)",
      'b.ts:2: event is a name of your own: those that begin with "room:" or "session:" are the gateway\'s, found "room:mine"',
      "c.cjs: a handler module is .ts, .mts, .js, .mjs, found .cjs",
    ])
  })

  it.each([
    ["a.ts", 'import { defineHandler } from "roomcast"\n\nexport default defineHandler({ event: })\n', /^a\.ts:3: ./],
    ["a.mjs", 'import { defineHandler } from "roomcast"\n\nexport default defineHandler({ event: })\n', /^a\.mjs:3: ./],
    ["a.ts", 'const f = () => {\n  throw new Error("no database")\n}\nf()\n', /^a\.ts:2: no database$/],
    ["a.ts", "throw 42\n", /^a\.ts: it threw 42$/],
    ["a.ts", 'import { nope } from "roomcast"\nexport default nope\n', /^a\.ts:1: The requested module 'roomcast'/],
    ["a.ts", 'import x from "./_missing.ts"\nexport default x\n', /^a\.ts(:1)?: (Cannot find module|Module not found)/],
    // Deno runs enums, and then finds no handler.
    [
      "a.ts",
      "\n\nenum Colour { Red }\nexport default Colour\n",
      /^a\.ts:3: TypeScript enum|^a\.ts: either event or on/,
    ],
  ])("%s with %j: says where and why", async (file, source, expected) => {
    const [first] = await faultsOf({ [file]: source })
    expect(first).toMatch(expected)
  })

  it("says in which helper a mistake is", async () => {
    expect(
      await faultsOf({
        "a.ts": 'import x from "./_helper.ts"\nexport default x\n',
        "_helper.ts": '\nthrow new Error("helpless")\nexport default 1\n',
      }),
    ).toEqual(["a.ts: helpless (in _helper.ts:2)"])
  })

  it("waits no longer than it may for a module's top level", async () => {
    expect(await faultsOf({ "a.ts": "await new Promise(() => setTimeout(() => {}, 1e6).unref())\n" }, 50)).toEqual([
      "a.ts: its top level did not end within 50 ms",
    ])
  })

  it.each([
    ["42", "a handler is defineHandler({ event or on, handle }), found 42"],
    ["null", "a handler is defineHandler({ event or on, handle }), found null"],
    ["[]", "a handler is defineHandler({ event or on, handle }), found an array"],
    ["{ handle() {} }", "either event or on is needed, found neither"],
    ['{ event: "a", on: "connect", handle() {} }', "either event or on is needed, found both"],
    ['{ event: "a" }', "handle is a function, found undefined"],
    ['{ event: "a", handle: "later" }', 'handle is a function, found "later"'],
    ["{ event: 7, handle() {} }", "event is text, found 7"],
    ['{ event: "", handle() {} }', "an event's name has 1-200 bytes, found an empty one"],
    ['{ event: "chat.*", handle() {} }', "an event's name has no *"],
    ['{ event: "x".repeat(201), handle() {} }', "an event's name has at most 200 bytes of UTF-8, found 201"],
    ['{ event: "session:mine", handle() {} }', 'those that begin with "room:" or "session:" are the gateway\'s'],
    ['{ event: "connect", handle() {} }', '(on: "connect" hears the gateway\'s)'],
    ['{ event: "disconnecting", handle() {} }', 'Socket.IO does not keep to itself, found "disconnecting"'],
    ['{ on: "start", handle() {} }', 'on is "connect", "disconnect" or "error", found "start"'],
    ['{ on: "connect", input: {}, handle() {} }', 'allowed are on, timeout, handle, found "input"'],
    ['{ event: "a", timeOut: 3, handle() {} }', 'allowed are event, timeout, input, handle, found "timeOut"'],
    ['{ event: "a", timeout: "soon", handle() {} }', 'timeout is "500ms", "3s", "2m", "24h", "7d" or a whole number'],
    ['{ event: "a", timeout: 0, handle() {} }', "from 1 ms to 1 h, found 0"],
    ['{ event: "a", timeout: "2h", handle() {} }', 'from 1 ms to 1 h, found "2h"'],
    ['{ event: "a", timeout: 1.5, handle() {} }', "found 1.5"],
    ['{ event: "a", input: { type: "object" }, handle() {} }', "input is a Standard Schema such as z.object({ … })"],
    ['{ event: "a", input: { "~standard": { version: 2 } }, handle() {} }', "input is a Standard Schema"],
  ])("%s", async (definition, expected) => {
    const [plain] = await faultsOf({ "a.ts": `\nexport default ${definition}\n` })
    expect(plain).toContain(expected)
    const [defined] = await faultsOf({
      "a.mjs": `import { defineHandler } from "roomcast"\nexport default defineHandler(${definition})\n`,
    })
    expect(defined).toContain(expected)
    expect(defined).toMatch(/^a\.mjs:2: /)
  })

  it("names both files where two handle one event; system handlers may be many", async () => {
    const system =
      'import { defineHandler } from "roomcast"\nexport default defineHandler({ on: "connect", handle() {} })\n'
    expect(
      await faultsOf({ "a.ts": simple("x"), "b.ts": simple("x"), "c.ts": system, "d.ts": system, "e.js": simple("x") }),
    ).toEqual([
      'b.ts: an event has one handler, found one for "x" in a.ts too',
      'e.js: an event has one handler, found one for "x" in a.ts too',
    ])
  })
})
