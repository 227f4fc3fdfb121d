import { mkdtempSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { asked } from "#tests/support/asked.ts"
import { CLIENTS, DATA_BYTES, GATEWAY_LOGGED, measureFanOut } from "./fan-out.ts"
import { measureMemory } from "./memory.ts"
import { measureNodes, ONE, TWO } from "./nodes.ts"
import { coreOf, endAll } from "./processes.ts"
import { measurePush, PUSH_CONNECTIONS } from "./push.ts"
import { formatRatio, type Measure, type Rounds, type Target, tableOf } from "./report.ts"
import { BARE, GATEWAY, PEER, startClient } from "./servers.ts"
import { ratioOf } from "./statistics.ts"

const help = `npm run bench -- [--quick] [--only fan-out|push|latency|memory|nodes] [--profile]

Roomcast beside a plain socket.io server doing the same work in the same run. docs/benchmarks.md says what is measured.

  --quick    a short run: less exact
  --only     one of the benchmarks; may be given more than once
  --profile  also writes each server's CPU profile of fan-out and push (the figures are then of profiled servers)`

const NAMES = ["fan-out", "latency", "push", "memory", "nodes"]

const OPTIONS = {
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: NAMES },
    profile: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
} as const

const { values } = asked("npm run bench", () => parseArgs(OPTIONS))

const { quick } = values
const ROUNDS = 5
const PER_SECOND = 20
const MAX_MEMORY_RATIO = 1.3
/** A run that takes longer is ended: something hangs. */
const MOST_MS = 15 * 60_000

const directory = values.profile ? mkdtempSync(join(tmpdir(), "roomcast-profile-")) : undefined
const profileAs = (benchmark: string) =>
  directory === undefined
    ? undefined
    : (name: string, profile: string): void => {
        const file = join(directory, `${benchmark}-${name.replaceAll(" ", "-")}.cpuprofile`)
        writeFileSync(file, profile)
        console.log(`profile: ${file}`)
      }

const targets: Target[] = []
type Results = ReadonlyMap<string, Rounds>

const rounds = (results: Results, server: string, key: string): readonly number[] => results.get(server)?.[key] ?? []

/** With a core each, whoever needs more CPU for the same work is the bottleneck, whatever else the machine does. */
const clientIsCheaper = (benchmark: string, results: Results): void => {
  const shares = [...results.keys()]
    .filter((name) => name !== BARE)
    .flatMap((name) => ratioOf(rounds(results, name, "clientShare"), rounds(results, name, "serverShare")).max)
  const most = Math.max(...shares)
  targets.push({
    title: `${benchmark}: the load client is not the bottleneck (its CPU / the server's < 1.00 in every round)`,
    met: most < 1,
    found: `at most ${most.toFixed(2)}`,
  })
}

const SHARES: readonly Measure[] = [
  { key: "serverShare", title: "server's share of its core, %", digits: 0 },
  { key: "clientShare", title: "load client's share of its core, %", digits: 0 },
]

const fanOut = async (client: ReturnType<typeof startClient>): Promise<void> => {
  const roundMs = quick ? 600 : 2_500
  const results = await measureFanOut({
    client,
    rounds: ROUNDS,
    roundMs,
    perSecond: undefined,
    profile: profileAs("fan-out"),
  })
  console.log(`\n## Fan-out: one room, ${CLIENTS} WebSocket clients, ${DATA_BYTES} bytes of data or more
${ROUNDS} rounds of ${roundMs / 1000} s for each, in turn. Everybody's packets have the same size on the wire.\n`)
  const measures = [
    { key: "deliveriesPerSecond", title: "deliveries/s", digits: 0 },
    { key: "cpuPerDelivery", title: "server's CPU for a delivery, µs", digits: 1 },
    { key: "clientCpuPerDelivery", title: "load client's CPU for a delivery, µs", digits: 1 },
    { key: "wireBytes", title: "bytes on the wire for a delivery", digits: 0 },
    ...SHARES,
  ]
  console.log(tableOf(measures, results, PEER, new Set([BARE])))
  for (const name of [GATEWAY, GATEWAY_LOGGED]) {
    const speed = ratioOf(rounds(results, name, "deliveriesPerSecond"), rounds(results, PEER, "deliveriesPerSecond"))
    const cpu = ratioOf(rounds(results, name, "cpuPerDelivery"), rounds(results, PEER, "cpuPerDelivery"))
    targets.push({
      title: `fan-out of ${name} is not slower than ${PEER}'s (deliveries/s >= 1.00, or CPU for a delivery <= 1.00)`,
      met: speed.median >= 1 || cpu.median <= 1,
      found: `deliveries/s ${formatRatio(speed)}, CPU ${formatRatio(cpu)}`,
    })
  }
  clientIsCheaper("fan-out", results)
}

const latency = async (client: ReturnType<typeof startClient>): Promise<void> => {
  const roundMs = quick ? 1_000 : 2_500
  const results = await measureFanOut({ client, rounds: ROUNDS, roundMs, perSecond: PER_SECOND, profile: undefined })
  console.log(`\n## Latency: ${PER_SECOND} messages a second to one room of ${CLIENTS} WebSocket clients
From before the push is written until a client has its frame; ${ROUNDS} rounds of ${roundMs / 1000} s for each, in turn.\n`)
  const measures = [
    { key: "p50", title: "p50, ms", digits: 1 },
    { key: "p99", title: "p99, ms", digits: 1 },
    { key: "deliveriesPerSecond", title: "deliveries/s", digits: 0 },
    ...SHARES,
  ]
  console.log(tableOf(measures, results, PEER, new Set([BARE])))
}

const push = async (client: ReturnType<typeof startClient>): Promise<void> => {
  const roundMs = quick ? 600 : 2_500
  const results = await measurePush({ client, rounds: ROUNDS, roundMs, profile: profileAs("push") })
  console.log(`\n## Pushes: POST /v1/messages to a room with one client
${PUSH_CONNECTIONS} keep-alive connections, 300-byte bodies; ${ROUNDS} rounds of ${roundMs / 1000} s for each, in turn.\n`)
  const measures = [
    { key: "pushesPerSecond", title: "pushes/s", digits: 0 },
    { key: "cpuPerPush", title: "server's CPU for a push, µs", digits: 0 },
    { key: "clientCpuPerPush", title: "load client's CPU for a push, µs", digits: 0 },
    ...SHARES,
  ]
  console.log(tableOf(measures, results, PEER))
  clientIsCheaper("push", results)
}

const memory = async (client: ReturnType<typeof startClient>): Promise<void> => {
  const connections = quick ? 2_000 : 5_000
  const memoryRounds = quick ? 2 : ROUNDS
  const results = await measureMemory({ client, rounds: memoryRounds, connections })
  console.log(`\n## Memory of an idle connection: ${connections} WebSocket clients
Resident memory, ${memoryRounds} new processes of each, in turn.\n`)
  const measures = [
    { key: "bytes", title: "bytes for a connection", digits: 0 },
    { key: "heap", title: "of them JavaScript's objects", digits: 0 },
    { key: "base", title: "process with 1,000 connections, MiB", digits: 0 },
  ]
  console.log(tableOf(measures, results, PEER))
  const ratio = ratioOf(rounds(results, GATEWAY, "bytes"), rounds(results, PEER, "bytes"))
  targets.push({
    title: `memory of an idle connection is at most ${MAX_MEMORY_RATIO} times ${PEER}'s`,
    met: ratio.median <= MAX_MEMORY_RATIO,
    found: formatRatio(ratio),
  })
}

const MIN_SCALE = 1.8

const nodes = async (client: ReturnType<typeof startClient>): Promise<void> => {
  const roundMs = quick ? 1_500 : 5_000
  const results = await measureNodes({ client, rounds: ROUNDS, roundMs })
  console.log(`\n## Nodes: as many messages as it takes to one room of ${CLIENTS} WebSocket clients, with history, on Redis
All on one node, or half on each of two; each node has half a core, for the one shares it with another that is as busy;
${ROUNDS} rounds of ${roundMs / 1000} s for each, in turn.\n`)
  const measures = [
    { key: "deliveriesPerSecond", title: "deliveries/s", digits: 0 },
    { key: "cpuPerDelivery", title: "all nodes' CPU for a delivery, µs", digits: 1 },
  ]
  console.log(tableOf(measures, results, ONE))
  const scale = ratioOf(rounds(results, TWO, "deliveriesPerSecond"), rounds(results, ONE, "deliveriesPerSecond"))
  targets.push({
    title: `two nodes deliver at least ${MIN_SCALE} times what one does`,
    met: scale.median >= MIN_SCALE,
    found: formatRatio(scale),
  })
}

const BENCHMARKS: Readonly<Record<string, (client: ReturnType<typeof startClient>) => Promise<void>>> = {
  "fan-out": fanOut,
  latency,
  push,
  memory,
  nodes,
}

const main = async (): Promise<number> => {
  const unknown = values.only.filter((name) => !NAMES.includes(name))
  if (values.help || unknown.length > 0) {
    console.log(help)
    return unknown.length === 0 ? 0 : 2
  }
  const pinned = coreOf("server") !== undefined
  console.log(
    `Node ${process.version}, ${availableParallelism()} cores; ${
      pinned ? "every server pinned to one core, the load client to another" : "processes could not be pinned to cores"
    }`,
  )
  const client = startClient()
  try {
    for (const name of NAMES) if (values.only.includes(name)) await BENCHMARKS[name]?.(client)
  } finally {
    await client.stop()
  }
  console.log("\n## Targets\n")
  for (const { found, met, title } of targets) console.log(`- ${met ? "met" : "NOT met"}: ${title}: ${found}`)
  return 0
}

process.once("exit", endAll)
setTimeout(() => {
  console.error(`the run took more than ${MOST_MS / 60_000} minutes`)
  process.exit(1)
}, MOST_MS).unref()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))
process.exitCode = await main()
