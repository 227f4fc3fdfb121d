import process from "node:process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Counter, Gauge, Histogram, type Registry } from "prom-client"

/** How often the event loop's lag is measured. */
export const LAG_EVERY_MS = 100

/**
 * The process itself, the same on Node and Deno. prom-client's own set is not used: its gauges that end in `_total`
 * break Prometheus's naming, and its lag comes from `monitorEventLoopDelay`, which on Deno 2.9 does not see a blocked
 * loop. The lag here is how much too late a timer comes.
 */
export const processMetrics = (registry: Registry): Effect.Effect<void, never, Scope.Scope> => {
  const registers = [registry]
  new Counter({
    name: "roomcast_process_cpu_seconds_total",
    help: "CPU time that the process used.",
    labelNames: ["mode"],
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc({ mode: "user" }, user / 1e6)
      this.inc({ mode: "system" }, system / 1e6)
    },
  })
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `roomcast_process_${name}`,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  const startedAt = Date.now() / 1000 - process.uptime()
  gauge("start_time_seconds", "When the process started, since 1970.", () => startedAt)
  gauge("resident_memory_bytes", "Memory of the process in RAM.", () => process.memoryUsage.rss())
  gauge("heap_used_bytes", "JavaScript heap in use.", () => process.memoryUsage().heapUsed)
  gauge("heap_size_bytes", "JavaScript heap, used and free.", () => process.memoryUsage().heapTotal)
  gauge("external_memory_bytes", "Memory outside the heap, buffers included.", () => process.memoryUsage().external)
  const lag = new Histogram({
    name: "roomcast_event_loop_lag_seconds",
    help: "How much too late timers come, measured ten times a second.",
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  })
  return Effect.gen(function* () {
    for (;;) {
      const due = performance.now() + LAG_EVERY_MS
      yield* Effect.sleep(LAG_EVERY_MS)
      lag.observe(Math.max(0, performance.now() - due) / 1000)
    }
  }).pipe(Effect.forkScoped, Effect.asVoid)
}
