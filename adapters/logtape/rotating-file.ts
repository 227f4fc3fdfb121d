import { type promises as fs, promises } from "node:fs"
import { basename, dirname, join } from "node:path"

export interface FileOptions {
  readonly path: string
  /** A file is ended before it grows past this. */
  readonly maxBytes: number
  /** Files in all, the one that is written to included: `log`, `log.1` (the newest) ... */
  readonly maxFiles: number
  /** A file is ended after a `maxFiles`th of this, and deleted when it was last written to so long ago; 0: never. */
  readonly maxAgeMs: number
}

/** Lines that wait to be written; more are lost and counted. */
export const MAX_WAITING_BYTES = 1_048_576

/**
 * A log file of mode 0600 that is replaced by size and age. Writing neither waits nor throws: lines wait in a bounded
 * buffer for one writer, and what could not be written is counted and told, once until a write works again.
 */
export class RotatingFile {
  /** Lines lost so far. */
  lost = 0
  private file: fs.FileHandle | undefined
  private size = 0
  private begunAt = 0
  private isRegular = false
  private torn = false
  private reported = false
  private lines: string[] = []
  private waiting = 0
  private work: Promise<void> | undefined
  private readonly options: FileOptions
  private readonly report: (message: string) => void

  constructor(options: FileOptions, report: (message: string) => void) {
    this.options = options
    this.report = report
  }

  /** Rejects where the file cannot be had. */
  async open(): Promise<void> {
    await promises.mkdir(dirname(this.options.path), { recursive: true, mode: 0o700 })
    const file = await promises.open(this.options.path, "a", 0o600)
    const stat = await file.stat()
    this.file = file
    this.isRegular = stat.isFile()
    if (this.isRegular) await file.chmod(0o600)
    this.size = stat.size
    this.begunAt = stat.size === 0 ? Date.now() : stat.birthtimeMs
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line) + 1
    if (this.waiting + bytes > MAX_WAITING_BYTES) return this.lose(1, "lines come faster than they can be written")
    this.lines.push(line)
    this.waiting += bytes
    this.work ??= this.drain()
  }

  /** Ends a file that is old, deletes those that are too old or too many. */
  async sweep(): Promise<void> {
    await this.work
    if (this.lines.length > 0 || this.work !== undefined) return
    this.work = this.attempt(0, async () => {
      if (this.size > 0 && this.isOld()) await this.rotate()
      else await this.deleteOld()
    }).finally(() => this.next())
    await this.work
  }

  async close(): Promise<void> {
    while (this.work !== undefined) await this.work
    await this.file?.close()
    this.file = undefined
  }

  private async drain(): Promise<void> {
    while (this.lines.length > 0) {
      const lines = this.takeChunk()
      await this.attempt(lines.length, () => this.append(`${lines.join("\n")}\n`))
    }
    this.work = undefined
  }

  private next(): void {
    this.work = this.lines.length > 0 ? this.drain() : undefined
  }

  /** As many lines as the file takes, at least one. */
  private takeChunk(): readonly string[] {
    let bytes = 0
    let count = 0
    for (const line of this.lines) {
      const more = Buffer.byteLength(line) + 1
      if (count > 0 && this.size + bytes + more > this.options.maxBytes) break
      bytes += more
      count += 1
    }
    this.waiting -= bytes
    return this.lines.splice(0, count)
  }

  private async append(text: string): Promise<void> {
    const bytes = Buffer.byteLength(text)
    if (this.isRegular && this.size > 0 && (this.size + bytes > this.options.maxBytes || this.isOld()))
      await this.rotate()
    if (this.file === undefined) await this.open()
    const wasTorn = this.torn
    this.torn = true
    await this.file?.appendFile(wasTorn ? `\n${text}` : text)
    this.torn = false
    this.size += bytes
  }

  private isOld(): boolean {
    const { maxAgeMs, maxFiles } = this.options
    return maxAgeMs > 0 && Date.now() - this.begunAt >= maxAgeMs / maxFiles
  }

  private async rotate(): Promise<void> {
    const { path, maxFiles } = this.options
    await this.file?.close()
    this.file = undefined
    for (let n = maxFiles - 1; n >= 1; n--)
      await promises.rename(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`).catch(unlessMissing)
    if (maxFiles === 1) await promises.rm(path, { force: true })
    await this.open()
    await this.deleteOld()
  }

  private async deleteOld(): Promise<void> {
    const { path, maxFiles, maxAgeMs } = this.options
    const prefix = `${basename(path)}.`
    for (const name of await promises.readdir(dirname(path))) {
      const number = name.startsWith(prefix) ? name.slice(prefix.length) : ""
      if (!/^[1-9]\d{0,5}$/.test(number)) continue
      const file = join(dirname(path), name)
      const stat = await promises.stat(file)
      const isTooOld = maxAgeMs > 0 && Date.now() - stat.mtimeMs >= maxAgeMs
      if (Number(number) >= maxFiles || isTooOld) await promises.rm(file, { force: true })
    }
  }

  private async attempt(lines: number, act: () => Promise<void>): Promise<void> {
    try {
      await act()
      this.reported = false
    } catch (error) {
      this.lose(lines, error instanceof Error ? error.message : String(error))
    }
  }

  private lose(lines: number, reason: string): void {
    this.lost += lines
    if (!this.reported) this.report(`the log file ${this.options.path}: ${reason}`)
    this.reported = true
  }
}

const unlessMissing = (error: unknown): void => {
  if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error
}
