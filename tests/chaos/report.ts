import { percentile } from "#tests/load/statistics.ts"
import { type Example, VIOLATIONS, type Violation } from "./checker.ts"
import type { Verdict } from "./client-worker.ts"
import type { Faults, Happened } from "./faults.ts"
import type { Publisher } from "./publisher.ts"
import type { ChaosOptions } from "./run.ts"
import type { FaultKind } from "./schedule.ts"

export interface Report {
  readonly accepted: number
  readonly deliveries: number
  readonly recovered: number
  readonly counts: Readonly<Record<Violation, number>>
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** Why the run failed; none: it passed. */
  readonly failures: readonly string[]
  /** Clients of the examples. */
  readonly suspects: readonly string[]
  readonly text: string
}

interface Outcome {
  readonly options: ChaosOptions
  readonly loadMs: number
  readonly publisher: Pick<Publisher, "count" | "refusals" | "retries">
  readonly faults: Pick<Faults, "failures" | "happened">
  readonly verdicts: readonly Verdict[]
  readonly crashes: readonly string[]
  readonly directory: string
}

const MOST_EXAMPLES = 20
const NEAR_MS = 20_000

const sum = (verdicts: readonly Verdict[], of: (verdict: Verdict) => number): number =>
  verdicts.reduce((total, verdict) => total + of(verdict), 0)

/** The faults that were under way, or had been lately, when it happened. */
const near = (at: number, happened: readonly Happened[]): string => {
  const lately = happened.filter(({ from, to }) => from <= at && at - to < NEAR_MS).slice(-6)
  return lately.map(({ from, what }) => `${what}, ${Math.round(at - from)} ms before`).join("; ") || "no fault"
}

const exampleText = ({ at, client, violation, what }: Example, happened: readonly Happened[]): string =>
  `  ${violation} at ${at} ms, ${client}: ${what}\n    [${near(at, happened)}]`

/** The first ones of each violation that there is. */
const chosen = (examples: readonly Example[]): readonly Example[] => {
  const there = VIOLATIONS.map((violation) => examples.filter((one) => one.violation === violation))
  const kinds = there.filter((ones) => ones.length > 0)
  return kinds.flatMap((ones) => ones.slice(0, Math.floor(MOST_EXAMPLES / kinds.length)))
}

const countKinds = (happened: readonly Happened[]): Partial<Record<FaultKind, number>> => {
  const counts: Partial<Record<FaultKind, number>> = {}
  for (const { kind } of happened) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

const listOf = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ") || "none"

export const reportOf = ({ crashes, directory, faults, loadMs, options, publisher, verdicts }: Outcome): Report => {
  const counts = { lost: 0, duplicated: 0, reordered: 0, stray: 0, unjustified: 0 }
  for (const violation of VIOLATIONS) counts[violation] = sum(verdicts, (verdict) => verdict.counts[violation])
  const justified: Record<string, number> = {}
  for (const verdict of verdicts)
    for (const [why, count] of Object.entries(verdict.justified)) justified[why] = (justified[why] ?? 0) + count
  const clients = sum(verdicts, (verdict) => verdict.clients)
  const settled = sum(verdicts, (verdict) => verdict.settled)
  const deliveries = sum(verdicts, (verdict) => verdict.deliveries)
  const recovered = sum(verdicts, (verdict) => verdict.recovered)
  const returns = verdicts.flatMap((verdict) => verdict.returns).sort((a, b) => a - b)
  const kinds = countKinds(faults.happened)
  const failures = [
    ...VIOLATIONS.filter((violation) => counts[violation] > 0).map((violation) => `${counts[violation]} ${violation}`),
    ...(settled < clients ? [`${clients - settled} clients did not come back into their rooms`] : []),
    ...(publisher.count === 0 || deliveries === 0 ? ["nothing was delivered"] : []),
    ...publisher.refusals.map((refusal) => `a push was refused: ${refusal}`),
    ...verdicts.flatMap(({ refusals }) => refusals).map((refusal) => `a client was sent away: ${refusal}`),
    ...faults.failures,
    ...crashes,
  ]
  const examples = chosen(verdicts.flatMap((verdict) => verdict.examples).sort((a, b) => a.at - b.at))
  const perSecond = Math.round((deliveries * 1000) / loadMs)
  const times =
    returns.length === 0 ? "none" : `p50 ${percentile(returns, 0.5)} ms, p99 ${percentile(returns, 0.99)} ms`
  const lines = [
    `seed                ${options.seed}`,
    `duration            ${Math.round(loadMs / 1000)} s, ${clients} clients`,
    `pushes              ${publisher.count} accepted, ${publisher.retries} retries`,
    `deliveries          ${deliveries}, ${perSecond} a second`,
    `faults              ${listOf(kinds)}`,
    `reconnects          ${recovered} recovered; not recovered: ${counts.unjustified} unjustified, justified: ${listOf(justified)}`,
    `back after a kill   ${times} (${returns.length} connections)`,
    ...VIOLATIONS.map((violation) => `${violation.padEnd(20)}${counts[violation]}`),
    ...(failures.length === 0 ? [] : ["", "FAILED", ...failures.slice(0, 30).map((failure) => `  ${failure}`)]),
    ...(examples.length === 0 ? [] : ["examples (times are ms since the run began)"]),
    ...examples.map((example) => exampleText(example, faults.happened)),
    ...(failures.length > 0 || options.keep ? [`what nodes wrote and clients saw: ${directory}`] : []),
  ]
  return {
    accepted: publisher.count,
    deliveries,
    recovered,
    counts,
    faults: kinds,
    failures,
    suspects: [...new Set(examples.map(({ client }) => client))],
    text: lines.join("\n"),
  }
}
