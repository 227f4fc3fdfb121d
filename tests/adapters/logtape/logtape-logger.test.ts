import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { getLogger } from "@logtape/logtape"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { describe, expect, it } from "vitest"
import { logtapeLogger } from "#adapters/logtape/logtape-logger.ts"
import { directory, kept, logged, OPTIONS, start } from "#tests/adapters/logtape/logged.ts"

describe("a JSON line", () => {
  it("has time, level, node, category and message, then the properties", async () => {
    const effect = Effect.logWarning("slow", { took: 12, nested: { list: [1, "a", true, null] } }).pipe(
      Effect.annotateLogs({ requestId: "r1", category: ["adapters", "redis"] }),
      Effect.withLogSpan("publish"),
    )
    const { lines, records, files } = await logged({}, effect)
    expect(lines).toHaveLength(1)
    expect(Object.keys(records[0] ?? {})).toEqual([
      "time",
      "level",
      "node",
      "category",
      "message",
      "took",
      "nested",
      "requestId",
      "publishMs",
    ])
    expect(records[0]).toMatchObject({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: "warning",
      node: "n1",
      category: "roomcast.adapters.redis",
      message: "slow",
      took: 12,
      nested: { list: [1, "a", true, null] },
      requestId: "r1",
      publishMs: expect.any(Number),
    })
    expect(files).toBe(`${lines[0]}\n`)
  })

  it("is of the application where no category is named", async () => {
    const { records } = await logged(
      {},
      Effect.logInfo("a").pipe(Effect.andThen(Effect.logInfo("b").pipe(Effect.annotateLogs("category", 5)))),
    )
    expect(records.map((record) => record["category"])).toEqual(["roomcast.application", "roomcast.application"])
  })

  it("keeps a property whose name is one of the line's own under another name", async () => {
    const { records } = await logged({}, Effect.logInfo("text", { message: "mine", level: 3, time: 1 }, { level: 4 }))
    expect(records[0]).toMatchObject({
      level: "info",
      message: "text",
      message_: "mine",
      level_: 3,
      level__: 4,
      time_: 1,
    })
  })

  it("shows an error with its name, message, cause and frames", async () => {
    const { records } = await logged(
      {},
      Effect.logError("failed", new TypeError("outer", { cause: new Error("inner") })),
    )
    expect(records[0]).toMatchObject({
      message: "failed",
      error: {
        name: "TypeError",
        message: "outer",
        cause: { name: "Error", message: "inner" },
        stack: expect.arrayContaining([expect.stringMatching(/^at .*logtape-logger\.test\.ts/)]),
      },
    })
  })

  it("shows braces as they were written: a text is no template", async () => {
    const { records } = await logged({}, Effect.logInfo("{note} {{x}} {*} {", { note: "filled in" }))
    expect(records[0]).toMatchObject({ message: "{note} {{x}} {*} {", note: "filled in" })
  })
})

describe("levels", () => {
  const each = Effect.logTrace("trace").pipe(
    Effect.andThen(Effect.logDebug("debug")),
    Effect.andThen(Effect.logInfo("info")),
    Effect.andThen(Effect.logWarning("warning")),
    Effect.andThen(Effect.logError("error")),
    Effect.andThen(Effect.logFatal("fatal")),
  )
  const levels = ["trace", "debug", "info", "warning", "error", "fatal"] as const

  it.each(levels)("from %s up are written", async (level) => {
    const { records } = await logged({ level }, each)
    const expected = levels.slice(levels.indexOf(level))
    expect(records.map((record) => [record["level"], record["message"]])).toEqual(expected.map((name) => [name, name]))
  })
})

describe("text from a user cannot pass for a line or steer a terminal", () => {
  const forged = '{"level":"fatal","message":"forged"}'
  const text = `a\n${forged}\r\n${forged}\u2028b\u0085c\u001b[2Jd\u009b31me\u0000\u202ef\tg\u007f`

  it.each(["json", "pretty"] as const)("as %s", async (format) => {
    const effect = Effect.logInfo(text, { note: text, [text]: { [text]: [text] } }).pipe(
      Effect.annotateLogs({ category: [text] }),
      Effect.andThen(Effect.logError("failed", new Error(text))),
    )
    const { lines, out, files } = await logged({ format }, effect)
    for (const written of [out, files]) expect(written.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202e]/u)
    for (const line of lines) {
      expect(line).not.toMatch(/^\{"level":"fatal"/)
      if (format === "pretty") expect(line).toMatch(/^(\d\d:\d\d:\d\d\.\d{3} (INF|ERR) roomcast| {4}at )/)
    }
    expect(lines.filter((line) => !line.startsWith("    at "))).toHaveLength(2)
    for (const line of files.trimEnd().split("\n")) expect(JSON.parse(line)).toHaveProperty("time")
  })
})

describe("a record is bounded", () => {
  it.each(["json", "pretty"] as const)("to 8 kB, as %s, and says that it was cut", async (format) => {
    const long = "ab cd ".repeat(50_000)
    const wide: Record<string, string> = {}
    for (let i = 0; i < 5_000; i++) wide[`name${i}`] = "value"
    const deep = JSON.parse(`${'{"a":['.repeat(500)}1${"]}".repeat(500)}`)
    const effect = Effect.forEach(
      [
        Effect.logInfo(long),
        Effect.logInfo("x".repeat(100_000)),
        Effect.logInfo("seen", { long }),
        Effect.logInfo("seen", { wide }),
        Effect.logInfo("seen", wide),
        Effect.logInfo("seen", { deep }),
        Effect.logInfo("seen", { list: Array(100_000).fill("value") }),
        Effect.logInfo("seen", { controls: "\u0000\u0085".repeat(10_000), emoji: "😀".repeat(10_000) }),
        Effect.logInfo("\u0085".repeat(4_000), { more: "\u0085".repeat(4_000) }),
        Effect.logInfo("seen", { ["n".repeat(50_000)]: 1, many: Array(50).fill(long) }),
        Effect.logError("failed", new Error(long, { cause: new Error(long) })),
      ],
      (log) => log,
      { discard: true },
    )
    const { out, files, errors } = await logged({ format }, effect)
    for (const line of [...out.split("\n"), ...files.split("\n")])
      expect(new TextEncoder().encode(line).length).toBeLessThanOrEqual(8_192)
    const records = files.trimEnd().split("\n")
    expect(records).toHaveLength(11)
    for (const record of records) expect(record).toMatch(/…|"cut":true|\[deeper\]/)
    expect(errors).toBe("")
  })

  it("and a text of the usual length is whole", async () => {
    const { records } = await logged({}, Effect.logInfo("m".repeat(1_000), { note: "n".repeat(3_000) }))
    expect(records[0]).toMatchObject({ message: "m".repeat(1_000), note: "n".repeat(3_000) })
  })
})

describe("pretty", () => {
  it("is one line with what a person reads first, and an error's frames below", async () => {
    const effect = Effect.logInfo('a "b" c', { took: 5, name: "two words", list: [1] }).pipe(
      Effect.annotateLogs("category", ["adapters", "http"]),
      Effect.andThen(Effect.logError("failed", new Error("why"))),
    )
    const { lines } = await logged({ format: "pretty" }, effect)
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INF roomcast\.adapters\.http a "b" c took=5 name="two words" list=\[1\]$/,
    )
    expect(lines[1]).toMatch(/ ERR roomcast\.application failed error=\{"name":"Error","message":"why"\}$/)
    expect(lines[2]).toMatch(/^ {4}at /)
  })
})

describe("the logger as a layer", () => {
  it("stops the start where the log file cannot be opened", async () => {
    const folder = await directory()
    await writeFile(join(folder, "taken"), "")
    const file = { path: join(folder, "taken", "roomcast.log"), maxBytes: 1e6, maxFiles: 2, maxAgeMs: 0 }
    const runtime = ManagedRuntime.make(logtapeLogger({ ...OPTIONS, file }))
    await expect(runtime.context()).rejects.toMatchObject({
      _tag: "LogFileFailed",
      message: expect.stringContaining("log.file.path"),
    })
  })

  it("that is released leaves the one before it in use", async () => {
    const { stream, text } = kept()
    const first = await start({}, stream)
    const second = await start({ format: "pretty" }, stream)
    await first.runPromise(Effect.logInfo("one"))
    await second.dispose()
    await first.runPromise(Effect.logInfo("two"))
    await first.dispose()
    const lines = text().trimEnd().split("\n")
    expect(lines[0]).toMatch(/INF roomcast\.application one$/)
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ message: "two" })
    getLogger(["roomcast"]).info("nobody listens")
    expect(text()).not.toContain("nobody listens")
  })

  it("redacts what LogTape says about itself too", async () => {
    const { records } = await logged(
      {},
      Effect.sync(() =>
        getLogger(["logtape", "meta"]).error("sink of {user} failed", { user: "ana@example.org", token: "opaque" }),
      ),
    )
    expect(records).toHaveLength(1)
    expect(records[0]).toMatchObject({
      category: "logtape.meta",
      message: "sink of [redacted] failed",
      token: "[redacted]",
    })
  })
})
