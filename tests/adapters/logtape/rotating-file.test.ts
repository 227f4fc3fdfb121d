import { chmod, readdir, readFile, rename, stat, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { FileOptions } from "#adapters/logtape/log-files.ts"
import { MAX_WAITING_BYTES, RotatingFile } from "#adapters/logtape/rotating-file.ts"
import { directory, logged } from "#tests/adapters/logtape/logged.ts"

const open = async (options: Partial<FileOptions> = {}) => {
  const folder = await directory()
  const path = join(folder, "logs", "roomcast.log")
  const told: string[] = []
  const file = new RotatingFile({ path, maxBytes: 1e6, maxFiles: 3, maxAgeMs: 0, ...options }, (message) =>
    told.push(message),
  )
  await file.open()
  const names = async () => (await readdir(join(folder, "logs"))).sort()
  const text = (name: string) => readFile(join(folder, "logs", name), "utf8")
  return { file, path: options.path ?? path, told, names, text }
}

const line = (n: number) => `line ${String(n).padStart(4, "0")}`
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

describe("a log file", () => {
  it("is readable by its owner only, whatever it was before, and so are those before it", async () => {
    const { file, path } = await open({ maxBytes: 20 })
    expect(await modeOf(path)).toBe("600")
    for (let n = 0; n < 6; n++) file.write(line(n))
    await file.close()
    for (const each of [path, `${path}.1`, `${path}.2`]) expect(await modeOf(each), each).toBe("600")
    await chmod(path, 0o644)
    const again = new RotatingFile({ path, maxBytes: 1e6, maxFiles: 3, maxAgeMs: 0 }, () => {})
    await again.open()
    expect(await modeOf(path)).toBe("600")
    await again.close()
  })

  it("has every line, in order, once it is closed, and goes on where it ended", async () => {
    const { file, path, text, told } = await open()
    for (let n = 0; n < 1_000; n++) file.write(line(n))
    await file.close()
    const next = new RotatingFile({ path, maxBytes: 1e6, maxFiles: 3, maxAgeMs: 0 }, () => {})
    await next.open()
    next.write("after")
    await next.close()
    const expected = [...Array.from({ length: 1_000 }, (_, n) => line(n)), "after", ""]
    expect((await text("roomcast.log")).split("\n")).toEqual(expected)
    expect(told).toEqual([])
  })

  it("is made with the folders above it, for its owner only; where they cannot be made that is said at once", async () => {
    const { file, path } = await open({ path: join(await directory(), "a", "b", "c.log") })
    expect(await modeOf(join(path, ".."))).toBe("700")
    await file.close()
    // Linux lets nobody make a folder here, and says that there is none.
    const nowhere = new RotatingFile({ path: "/proc/none/c.log", maxBytes: 1, maxFiles: 1, maxAgeMs: 0 }, () => {})
    await expect(nowhere.open()).rejects.toMatchObject({ code: "ENOENT" })
  })

  it("is flushed when the logger is released", async () => {
    const { files } = await logged(
      {},
      Effect.forEach(
        Array.from({ length: 500 }, (_, n) => n),
        (n) => Effect.logInfo(line(n)),
        { discard: true },
      ),
    )
    expect(
      files
        .trimEnd()
        .split("\n")
        .map((each) => JSON.parse(each).message),
    ).toEqual(Array.from({ length: 500 }, (_, n) => line(n)))
  })

  it("never grows past its size, and only as many are kept as were asked for, the newest", async () => {
    const { file, names, text } = await open({ maxBytes: 100, maxFiles: 3 })
    for (let n = 0; n < 100; n++) file.write(line(n))
    await file.close()
    expect(await names()).toEqual(["roomcast.log", "roomcast.log.1", "roomcast.log.2"])
    const kept = `${await text("roomcast.log.2")}${await text("roomcast.log.1")}${await text("roomcast.log")}`
    for (const name of await names()) expect((await text(name)).length).toBeLessThanOrEqual(100)
    const lines = kept.trimEnd().split("\n")
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, n) => line(100 - lines.length + n)))
    expect(lines.length).toBeGreaterThan(20)
  })

  it("may be the only one", async () => {
    const { file, names, text } = await open({ maxBytes: 50, maxFiles: 1 })
    for (let n = 0; n < 50; n++) file.write(line(n))
    await file.close()
    expect(await names()).toEqual(["roomcast.log"])
    expect(await text("roomcast.log")).toContain(line(49))
    expect((await text("roomcast.log")).length).toBeLessThanOrEqual(50)
  })

  it("takes a line that is longer than a file may be", async () => {
    const { file, text } = await open({ maxBytes: 50 })
    file.write("a")
    file.write("x".repeat(200))
    file.write("b")
    await file.close()
    expect(await text("roomcast.log.2")).toBe("a\n")
    expect(await text("roomcast.log.1")).toBe(`${"x".repeat(200)}\n`)
    expect(await text("roomcast.log")).toBe("b\n")
  })

  it("is ended when it is old", async () => {
    const { file, names, text } = await open({ maxAgeMs: 3_600_000, maxFiles: 2 })
    file.write("before")
    await file.sweep()
    expect(await names()).toEqual(["roomcast.log"])
    await file.close()
    const old = await open({ maxAgeMs: 40, maxFiles: 2 })
    old.file.write("before")
    await expect
      .poll(async () => {
        await old.file.sweep()
        return (await old.names()).includes("roomcast.log.1") || (await old.text("roomcast.log")) === ""
      })
      .toBe(true)
    old.file.write("after")
    await old.file.close()
    expect(await old.text("roomcast.log")).toBe("after\n")
    expect(await text("roomcast.log")).toBe("before\n")
  })

  it("is deleted when it was last written to too long ago, or is one too many", async () => {
    const { file, path, names } = await open({ maxAgeMs: 3_600_000, maxFiles: 5 })
    const ago = (ms: number) => new Date(Date.now() - ms)
    for (const [name, ms] of [
      ["1", 60_000],
      ["2", 3_500_000],
      ["3", 3_700_000],
      ["7", 0],
      ["gz", 9_999_999],
    ] as const) {
      await writeFile(`${path}.${name}`, "x")
      await utimes(`${path}.${name}`, ago(ms), ago(ms))
    }
    await file.sweep()
    expect(await names()).toEqual(["roomcast.log", "roomcast.log.1", "roomcast.log.2", "roomcast.log.gz"])
    await file.close()
  })

  it("that is old is ended and deleted by the logger itself, while nobody logs", async () => {
    const folder = await directory()
    const path = join(folder, "roomcast.log")
    const file = { path, maxBytes: 1e6, maxFiles: 2, maxAgeMs: 100 }
    await logged(
      { file },
      Effect.logInfo("one").pipe(
        Effect.andThen(
          Effect.promise(() =>
            expect
              .poll(async () => `${(await readdir(folder)).length} ${(await stat(path)).size}`, { timeout: 10_000 })
              .toBe("1 0"),
          ),
        ),
      ),
    )
  })
})

describe("a log file that cannot be written", () => {
  it("counts what is lost and tells the reason once, not for each line", async () => {
    const { file, told } = await open({ path: "/dev/full" })
    for (let n = 0; n < 50; n++) {
      file.write(line(n))
      await file.sweep()
    }
    await file.close()
    expect(file.lost).toBe(50)
    expect(told).toEqual([expect.stringMatching(/^the log file \/dev\/full: .*(ENOSPC|No space)/i)])
  })

  it("holds a bounded number of bytes for a slow disk", async () => {
    const { file, told, text } = await open({ maxBytes: 1e9 })
    const each = "x".repeat(9_999)
    for (let n = 0; n < 300; n++) file.write(each)
    const kept = 300 - file.lost
    expect(kept * 10_000).toBeLessThanOrEqual(MAX_WAITING_BYTES + 10_000)
    expect(file.lost).toBeGreaterThan(100)
    await file.close()
    expect((await text("roomcast.log")).length).toBe(kept * 10_000)
    expect(told).toEqual([expect.stringMatching(/faster than they can be written/)])
    file.write("late")
    expect(file.lost).toBe(300 - kept + 1)
  })

  it("goes on where its files cannot be renamed", async () => {
    const { file, path, told, text } = await open({ maxBytes: 50 })
    await writeFile(`${path}.hold`, "")
    const { mkdir } = await import("node:fs/promises")
    await mkdir(`${path}.1`)
    await writeFile(join(`${path}.1`, "in the way"), "")
    await mkdir(`${path}.2`)
    await writeFile(join(`${path}.2`, "in the way"), "")
    for (let n = 0; n < 20; n++) file.write(line(n))
    await file.close()
    expect(file.lost).toBe(0)
    expect((await text("roomcast.log")).trimEnd().split("\n")).toHaveLength(20)
    expect(told.length).toBeGreaterThan(0)
    expect(told.length).toBeLessThan(4)
  })

  it("is made anew where somebody moved it away", async () => {
    const { file, path, text, told } = await open({ maxBytes: 60 })
    for (let n = 0; n < 3; n++) file.write(line(n))
    await file.sweep()
    await expect.poll(() => text("roomcast.log")).toContain(line(2))
    await rename(path, `${path}.moved`)
    for (let n = 3; n < 12; n++) file.write(line(n))
    await file.close()
    expect(await text("roomcast.log")).toContain(line(11))
    expect(file.lost).toBe(0)
    expect(told).toEqual([])
  })
})
