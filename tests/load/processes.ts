import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { until } from "#tests/support/until.ts"

export type Question = "cpu" | "memory" | "startProfile" | "stopProfile"

/** Bytes. */
export interface Memory {
  readonly resident: number
  readonly heap: number
}

/** A process of the benchmark's own, pinned to a core where that can be done. */
export interface Measured {
  readonly ask: (question: string, argument?: unknown) => Promise<unknown>
  readonly stop: () => Promise<void>
  /** Rejects when the process ends before it was stopped. */
  readonly failed: Promise<never>
}

export type Role = "server" | "client"

/** The cores that this process may use, as Linux lists them (`0-3,6`). */
const allowedCores = (): readonly number[] => {
  if (!existsSync("/usr/bin/taskset")) return []
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? ""
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

const cores = allowedCores()

/** Each server on one core, the same for all; the load client on another. Undefined: they cannot be kept apart. */
export const coreOf = (role: Role): number | undefined =>
  cores.length < 2 ? undefined : role === "server" ? cores.at(-1) : cores[0]

const running = new Set<ChildProcess>()

const KILL_MS = 5_000

/** Ends whatever still runs of what `run` started. */
export const endAll = (): void => {
  for (const child of running) child.kill("SIGKILL")
}

/** Runs a file of this project on the same Node, with `probe.ts` and an IPC channel. */
export const run = (
  role: Role,
  file: string,
  args: readonly string[] = [],
  nodeFlags: readonly string[] = [],
): Measured => {
  const core = coreOf(role)
  const node = [process.execPath, ...nodeFlags, "--expose-gc", "--import", new URL("probe.ts", import.meta.url).href]
  const [command = "", ...rest] = [
    ...(core === undefined ? [] : ["taskset", "-c", String(core)]),
    ...(role === "server" ? node : node.slice(0, 1)),
    file,
    ...args,
  ]
  const child = spawn(command, rest, {
    env: { PATH: process.env["PATH"], NODE_ENV: "production", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  })
  running.add(child)
  let output = ""
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => {
      output = (output + chunk).slice(-20_000)
    })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let questions = 0
  let stopping = false
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const failed = new Promise<never>((_, reject) => {
    child.once("exit", (code, signal) => {
      running.delete(child)
      const error = new Error(`${file} ended with ${code ?? signal}:\n${output}`)
      if (!stopping) reject(error)
      for (const { reject: refuse } of waiting.values()) refuse(error)
    })
  })
  failed.catch(() => undefined)
  child.on("message", (message: { id: number; answer?: unknown; error?: string }) => {
    const asked = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error === undefined) asked?.resolve(message.answer)
    else asked?.reject(new Error(message.error))
  })
  return {
    failed,
    ask: (question, argument) => {
      const asked = Promise.withResolvers<unknown>()
      const id = ++questions
      waiting.set(id, asked)
      child.send({ id, question, argument })
      return asked.promise
    },
    stop: async () => {
      stopping = true
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill("SIGTERM")
      const timer = setTimeout(() => child.kill("SIGKILL"), KILL_MS)
      await exited
      clearTimeout(timer)
    },
  }
}

/** Until the process listens. */
export const listening = (port: number, { failed }: Measured): Promise<void> =>
  Promise.race([
    failed,
    until("a server to listen", () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    ),
  ])
