import { Session } from "node:inspector/promises"
import { setTimeout as sleep } from "node:timers/promises"
import type { Memory, Question } from "./processes.ts"

/**
 * Loaded into every measured process with `--import`, the same in each: answers over the IPC channel what the process has
 * used. Needs `--expose-gc`.
 */
const profiler = new Session()

const STEADY_BYTES = 256 * 1024
const MOST_COLLECTIONS = 12

/** Resident memory once collecting garbage frees no more of it, and what of it JavaScript's objects use; bytes. */
const settledMemory = async (): Promise<Memory> => {
  let least = Number.POSITIVE_INFINITY
  let heap = 0
  for (let i = 0; i < MOST_COLLECTIONS; i++) {
    await globalThis.gc?.({ type: "major", execution: "async" })
    await sleep(150)
    const { heapUsed, rss } = process.memoryUsage()
    heap = heapUsed
    if (i > 2 && rss > least - STEADY_BYTES) break
    least = Math.min(least, rss)
  }
  return { resident: least, heap }
}

const ANSWERS: Record<Question, (argument: string) => unknown> = {
  /** CPU time of the whole process so far, µs. */
  cpu: () => {
    const { system, user } = process.cpuUsage()
    return system + user
  },
  memory: settledMemory,
  startProfile: async () => {
    profiler.connect()
    await profiler.post("Profiler.enable")
    await profiler.post("Profiler.start")
  },
  stopProfile: async () => JSON.stringify((await profiler.post("Profiler.stop")).profile),
}

process.on("message", ({ argument, id, question }: { id: number; question: Question; argument: string }) => {
  void Promise.resolve(ANSWERS[question](argument)).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
process.channel?.unref()
