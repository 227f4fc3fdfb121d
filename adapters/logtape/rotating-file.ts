import { promises as fs } from "node:fs"
import { dirname } from "node:path"
import { utf8Length } from "#domain/name.ts"
import { deleteFiles, type FileOptions, makeFolder, shiftFiles } from "./log-files.ts"

/** Lines that wait to be written; more are lost and counted. */
export const MAX_WAITING_BYTES = 1_048_576
const MAX_TOLD = 10

/**
 * A log file of mode 0600 that is replaced by size and age. Writing neither waits nor throws: lines wait in a bounded
 * buffer for one writer. Lines that could not be written are counted, and each reason is told once until all is well.
 */
export class RotatingFile {
  /** Lines lost so far. */
  lost = 0
  private file: fs.FileHandle | undefined
  private isRegular = false
  private isClosed = false
  private size = 0
  private begunAt = 0
  /** The last write failed and may have left half a line. */
  private torn = false
  private lines: string[] = []
  private waiting = 0
  private work: Promise<void> | undefined
  private readonly told = new Set<string>()
  private readonly options: FileOptions
  private readonly report: (message: string) => void

  constructor(options: FileOptions, report: (message: string) => void) {
    this.options = options
    this.report = report
  }

  /** Rejects where the file cannot be had. */
  async open(): Promise<void> {
    await makeFolder(dirname(this.options.path))
    this.file = await fs.open(this.options.path, "a", 0o600)
    const stat = await this.file.stat()
    this.isRegular = stat.isFile()
    if (this.isRegular) await this.file.chmod(0o600)
    this.size = stat.size
    this.begunAt = stat.size === 0 ? Date.now() : stat.birthtimeMs || stat.ctimeMs
  }

  write(line: string): void {
    const bytes = utf8Length(line) + 1
    if (this.isClosed || this.waiting + bytes > MAX_WAITING_BYTES) {
      this.lost += 1
      this.tell(this.isClosed ? "it is closed" : "lines come faster than they can be written")
      return
    }
    this.lines.push(line)
    this.waiting += bytes
    this.work ??= this.drain()
  }

  /** Ends a file that is old, deletes those that are too old or too many; a busy file does so while it is written. */
  async sweep(): Promise<void> {
    if (this.work !== undefined || !this.isRegular || this.isClosed) return
    this.work = (this.size > 0 && this.isOld() ? this.rotate() : this.tidy()).then(() => this.drain())
    await this.work
  }

  /** Done when everything that was written is in the file. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.work
    await this.file?.close()
    this.file = undefined
  }

  private async drain(): Promise<void> {
    while (this.lines.length > 0) {
      const lines = this.takeChunk()
      try {
        await this.append(`${lines.join("\n")}\n`)
      } catch (error) {
        this.lost += lines.length
        this.tell(error)
      }
    }
    this.work = undefined
  }

  /** As many lines as the file takes, at least one. */
  private takeChunk(): readonly string[] {
    let bytes = 0
    let count = 0
    for (const line of this.lines) {
      const more = utf8Length(line) + 1
      if (count > 0 && this.size + bytes + more > this.options.maxBytes) break
      bytes += more
      count += 1
    }
    this.waiting -= bytes
    return this.lines.splice(0, count)
  }

  private async append(text: string): Promise<void> {
    const bytes = utf8Length(text)
    const isFull = this.size > 0 && (this.size + bytes > this.options.maxBytes || this.isOld())
    const isWell = this.isRegular && isFull ? await this.rotate() : true
    if (this.file === undefined) await this.open()
    const start = this.torn ? "\n" : ""
    this.torn = true
    await this.file?.appendFile(start + text)
    this.torn = false
    this.size += bytes
    if (isWell) this.told.clear()
  }

  private isOld(): boolean {
    const { maxAgeMs, maxFiles } = this.options
    return maxAgeMs > 0 && Date.now() - this.begunAt >= maxAgeMs / maxFiles
  }

  /** Where it fails, what is open or can be opened again is written on. */
  private async rotate(): Promise<boolean> {
    try {
      await this.file?.close()
      this.file = undefined
      await shiftFiles(this.options)
      await this.open()
    } catch (error) {
      this.tell(error)
      return false
    }
    return this.tidy()
  }

  private async tidy(): Promise<boolean> {
    try {
      await deleteFiles(this.options)
      return true
    } catch (error) {
      this.tell(error)
      return false
    }
  }

  private tell(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    if (this.told.has(reason) || this.told.size >= MAX_TOLD) return
    this.told.add(reason)
    this.report(`the log file ${this.options.path}: ${reason}`)
  }
}
