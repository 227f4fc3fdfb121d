import { type ChildProcess, spawn } from "node:child_process"
import { createWriteStream, mkdirSync, type WriteStream, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { ConfigInput } from "#bootstrap/config-schema.ts"

const ROOT = new URL("../..", import.meta.url).pathname
const READY_MS = 60_000
const RESTART_MS = 500

/** One node, which comes back with the same name, port and configuration, as under a supervisor. */
export class NodeProcess {
  readonly id: string
  readonly port: number
  private readonly file: string
  private readonly directory: string
  private readonly log: WriteStream
  private child: ChildProcess | undefined
  /** It should run: whenever it ends by itself it is started again. */
  private wanted = false
  private served = false
  /** Ends of a node that had served, and that nobody asked for. */
  readonly crashes: string[] = []

  constructor(id: string, port: number, config: ConfigInput, directory: string) {
    this.id = id
    this.port = port
    this.directory = join(directory, id)
    mkdirSync(this.directory)
    this.file = join(this.directory, "config.json")
    writeFileSync(this.file, JSON.stringify({ ...config, port, nodeId: id }))
    this.log = createWriteStream(join(directory, `${id}.log`))
  }

  /** Starts it and waits until it is ready. Redis may be away meanwhile. */
  async start(): Promise<void> {
    this.wanted = true
    if (this.child === undefined) this.spawn()
    for (const end = Date.now() + READY_MS; Date.now() < end; await sleep(50))
      if (await this.isReady()) {
        this.served = true
        return
      }
    throw new Error(`${this.id} was not ready after ${READY_MS} ms`)
  }

  async isReady(): Promise<boolean> {
    return await fetch(`http://127.0.0.1:${this.port}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
      ({ ok }) => ok,
      () => false,
    )
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal)
  }

  /** Ends it, and waits until it is gone. Answers its exit code. */
  async stop(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    this.wanted = false
    const { child } = this
    if (child === undefined) return null
    const gone = new Promise<number | null>((resolve) => child.once("exit", resolve))
    child.kill(signal)
    return await gone
  }

  private spawn(): void {
    const child = spawn(process.execPath, [join(ROOT, "bootstrap/main.ts"), "serve", "--config", this.file], {
      cwd: this.directory,
      env: { PATH: process.env["PATH"], HOME: this.directory, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    })
    this.child = child
    this.served = false
    this.log.write(`--- process ${child.pid} started at ${new Date().toISOString()}\n`)
    for (const stream of [child.stdout, child.stderr]) stream.pipe(this.log, { end: false })
    child.once("exit", (code, signal) => {
      this.child = undefined
      this.log.write(`--- process ${child.pid} ended at ${new Date().toISOString()}: ${code ?? signal}\n`)
      if (!this.wanted) return
      if (this.served) this.crashes.push(`${this.id} ended by itself: ${code ?? signal}`)
      setTimeout(() => {
        if (this.wanted && this.child === undefined) this.spawn()
      }, RESTART_MS)
    })
  }
}
