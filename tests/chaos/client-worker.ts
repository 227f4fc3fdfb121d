import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { ChaosClient, type ClientPlan } from "./chaos-client.ts"
import { type Example, judge, type Run, VIOLATIONS, type Violation } from "./checker.ts"
import { type Accepted, linesOf } from "./journal.ts"
import { type NodeDeath, returnTimes } from "./return-times.ts"
import { indexRooms } from "./room-index.ts"

/** A process of clients, so that many of them do not wait for each other or for the pushes. */
export type Order =
  | { readonly kind: "open"; readonly url: string; readonly plans: readonly ClientPlan[]; readonly startedAt: number }
  | { readonly kind: "drop" | "cut"; readonly clients: readonly number[] }
  | { readonly kind: "move"; readonly client: number; readonly to: string }
  | { readonly kind: "settled" }
  | {
      readonly kind: "judge"
      readonly accepted: Accepted
      readonly windowMs: number
      readonly deaths: readonly NodeDeath[]
    }
  | { readonly kind: "write-journals"; readonly clients: readonly string[]; readonly directory: string }

export interface Verdict {
  readonly clients: number
  readonly settled: number
  readonly deliveries: number
  readonly counts: Record<Violation, number>
  readonly examples: Example[]
  readonly refusals: string[]
  readonly recovered: number
  readonly justified: Record<string, number>
  /** From the death of a node to the return of each of its clients, and until it had what it missed; ms. */
  readonly returns: number[]
}

let clients: ChaosClient[] = []
let startedAt = 0

const verdictOf = (run: Run, deaths: readonly NodeDeath[]): Verdict => {
  const verdict: Verdict & { recovered: number; deliveries: number } = {
    clients: clients.length,
    settled: clients.filter(({ settled }) => settled).length,
    deliveries: 0,
    counts: { lost: 0, duplicated: 0, reordered: 0, stray: 0, unjustified: 0 },
    examples: [],
    refusals: [],
    recovered: 0,
    justified: {},
    returns: [],
  }
  for (const { journal, refusals } of clients) {
    const judgement = judge(journal, run)
    for (const violation of VIOLATIONS) verdict.counts[violation] += judgement.counts[violation]
    for (const [why, count] of Object.entries(judgement.justified))
      verdict.justified[why] = (verdict.justified[why] ?? 0) + count
    verdict.examples.push(...judgement.examples)
    verdict.refusals.push(...refusals.map((refusal) => `${journal.client}: ${refusal}`))
    verdict.recovered += judgement.recovered
    verdict.deliveries += journal.numbers.length
    verdict.returns.push(...returnTimes(journal, deaths, run.startedAt))
  }
  return verdict
}

const obey = (order: Order): unknown => {
  switch (order.kind) {
    case "open":
      startedAt = order.startedAt
      clients = order.plans.map((plan) => new ChaosClient(order.url, plan, startedAt))
      return undefined
    case "drop":
      for (const client of order.clients) clients[client]?.drop()
      return undefined
    case "cut":
      for (const client of order.clients) clients[client]?.cut()
      return undefined
    case "move":
      clients[order.client]?.move(order.to)
      return undefined
    case "settled":
      return clients.every(({ settled }) => settled)
    case "judge": {
      const { accepted, deaths, windowMs } = order
      return verdictOf({ accepted, index: indexRooms(accepted), startedAt, windowMs }, deaths)
    }
    case "write-journals":
      for (const { journal } of clients)
        if (order.clients.includes(journal.client))
          writeFileSync(join(order.directory, `${journal.client}.txt`), linesOf(journal).join("\n"))
      return undefined
  }
}

process.on("message", ({ id, order }: { readonly id: number; readonly order: Order }) => {
  process.send?.({ id, answer: obey(order) })
})
process.on("disconnect", () => process.exit())
