import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { folderOf } from "./handler-fixture.ts"

const ROOT = fileURLToPath(new URL("../../..", import.meta.url))
const run = promisify(execFile)

/** Outside of the test runner, whose own module loader could hide what the runtime does. */
const RUNTIMES = [
  ["Node", "node_modules/.bin/node", []],
  ["Deno", "node_modules/.bin/deno", ["run", "-A"]],
] as const

describe.each(RUNTIMES)("on %s, as the gateway runs", (_, command, args) => {
  const load = async (directory: string, event: string, data: unknown, info?: unknown): Promise<unknown> => {
    const script = ["tests/support/run-handler-directory.ts", directory, event, JSON.stringify(data)]
    const { stdout } = await run(command, [...args, ...script, JSON.stringify(info ?? null)], { cwd: ROOT })
    return JSON.parse(stdout)
  }

  it("handlers outside of the project import roomcast, with z, in each kind of file", async () => {
    const source = (event: string): string =>
      `import { defineHandler, z } from "roomcast"\nexport default defineHandler({ event: "${event}", input: z.object({ n: z.number() }), handle: ({ n }) => [import.meta.url.endsWith("${event}"), n + 1] })\n`
    await using folder = await folderOf({
      "a.ts": `import { one } from "./_helper.ts"\n${source("a.ts").replace("n + 1", "n + one")}`,
      "_helper.ts": 'import { z } from "roomcast"\nexport const one: number = z.number().parse(1)\n',
      "b.mts": source("b.mts"),
      "c.js": source("c.js"),
      "d.mjs": source("d.mjs"),
    })
    for (const event of ["a.ts", "b.mts", "c.js", "d.mjs"])
      expect(await load(folder.path, event, { n: 1 })).toEqual({ data: [true, 2], pushes: [] })
  })

  it("the examples run", async () => {
    const info = { name: "Ann", teams: ["blue"] }
    expect(await load("examples/handlers", "chat.send", { team: "blue", text: "hi" }, info)).toMatchObject({
      data: { id: "m1" },
      pushes: [{ event: "chat.message" }],
    })
    expect(await load("examples/handlers", "chat.send", { team: "blue" }, info)).toMatchObject({
      error: { tag: "invalid_request" },
    })
  })

  it("mistakes name file and line", async () => {
    await using folder = await folderOf({
      "a.ts": 'import { defineHandler } from "roomcast"\n\nexport default defineHandler({ event: })\n',
      "b.mjs": 'import { defineHandler } from "roomcast"\n\nexport default defineHandler({ event: })\n',
      "c.ts":
        'import { defineHandler } from "roomcast"\nexport default defineHandler({ event: "room:x", handle() {} })\n',
      "d.ts": '\n\nthrow new Error("boom")\n',
      "e.ts": "export const x = 1\n",
    })
    const { error } = (await load(folder.path, "it", null)) as { error: { tag: string; message: string } }
    expect(error.tag).toBe("HandlersNotLoaded")
    for (const place of [
      "a.ts:3: ",
      "b.mjs:3: ",
      "c.ts:2: event is a name of your own",
      "d.ts:3: boom",
      "e.ts: `export default",
    ])
      expect(error.message).toContain(`${folder.path}/${place}`)
  })
})
