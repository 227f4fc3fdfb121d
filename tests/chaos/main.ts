import { parseArgs } from "node:util"
import { asked } from "#tests/support/asked.ts"
import { runChaos } from "./run.ts"
import { FAULT_KINDS, isFaultKind, KINDS } from "./schedule.ts"

const help = `npm run chaos -- [--seed N] [--seconds 600] [--rate 500] [--clients 300] [--every 4] [--faults a,b] [--keep]

Three nodes behind nginx on a real Redis, stock clients, pushes, and faults by a seeded schedule. Ends with 1 where a
client lost a message, had one twice or out of order, or was told without reason that it was not recovered.

  --seed     the schedule, the rooms and the pushes that it makes; printed, to run it again
  --every    mean seconds between faults
  --faults   only these kinds:
${FAULT_KINDS.map((kind) => `    ${kind.padEnd(16)} ${KINDS[kind].about}`).join("\n")}
  --keep     keep what the nodes wrote, after a good run too`

const OPTIONS = {
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    seconds: { type: "string", default: "600" },
    rate: { type: "string", default: "500" },
    clients: { type: "string", default: "300" },
    every: { type: "string", default: "4" },
    faults: { type: "string", default: FAULT_KINDS.join(",") },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
} as const

const { values } = asked("npm run chaos", () => parseArgs(OPTIONS))

const positive = (name: "clients" | "every" | "rate" | "seconds" | "seed"): number => {
  const value = Number(values[name])
  if (!(value > 0)) throw new Error(`--${name} wants a number over 0`)
  return value
}

const kindsOf = (names: string) =>
  names.split(",").map((name) => {
    if (!isFaultKind(name)) throw new Error(`no fault is named ${name}: ${FAULT_KINDS.join(", ")}`)
    return name
  })

if (values.help) console.log(help)
else {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130))
  const options = asked("npm run chaos", () => ({
    seed: positive("seed"),
    seconds: positive("seconds"),
    rate: positive("rate"),
    clients: positive("clients"),
    kinds: kindsOf(values.faults),
    everyMs: positive("every") * 1000,
    keep: values.keep,
  }))
  console.log(`seed ${options.seed}`)
  const report = await runChaos({ ...options, tell: (line) => console.log(line) })
  console.log(report.text)
  process.exitCode = report.failures.length === 0 ? 0 : 1
}
