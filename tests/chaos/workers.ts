import { type ChildProcess, fork } from "node:child_process"
import type { ClientPlan } from "./chaos-client.ts"
import type { Order, Verdict } from "./client-worker.ts"
import type { Accepted } from "./journal.ts"
import type { NodeDeath } from "./return-times.ts"

/** The worker process, as seen from here. */
class Worker {
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, PromiseWithResolvers<unknown>>()
  private orders = 0

  constructor() {
    this.child = fork(new URL("client-worker.ts", import.meta.url), {
      serialization: "advanced",
      execArgv: [],
      env: { PATH: process.env["PATH"], NODE_ENV: "production" },
    })
    this.child.on("message", ({ answer, id }: { readonly id: number; readonly answer: unknown }) => {
      this.waiting.get(id)?.resolve(answer)
      this.waiting.delete(id)
    })
    this.child.once("exit", (code, signal) => {
      for (const { reject } of this.waiting.values())
        reject(new Error(`the process of the clients ended: ${code ?? signal}`))
      this.waiting.clear()
    })
  }

  send(order: Order): Promise<unknown> {
    const answer = Promise.withResolvers<unknown>()
    const id = ++this.orders
    this.waiting.set(id, answer)
    this.child.send({ id, order })
    return answer.promise
  }

  stop(): void {
    this.child.kill("SIGKILL")
  }
}

/** The clients, in processes of their own; client `i` is in worker `i % count`. */
export class Workers {
  private readonly workers: readonly Worker[]

  constructor(count: number) {
    this.workers = Array.from({ length: count }, () => new Worker())
  }

  async open(url: string, plans: readonly ClientPlan[], startedAt: number): Promise<void> {
    await this.all((w) => ({ kind: "open", url, plans: plans.filter((_, i) => this.workerOf(i) === w), startedAt }))
  }

  async leave(kind: "drop" | "cut", clients: readonly number[]): Promise<void> {
    await this.all((w) => ({ kind, clients: clients.filter((i) => this.workerOf(i) === w).map((i) => this.within(i)) }))
  }

  async move(client: number, to: string): Promise<void> {
    await this.workers[this.workerOf(client)]?.send({ kind: "move", client: this.within(client), to })
  }

  async settled(): Promise<boolean> {
    return (await this.all(() => ({ kind: "settled" }))).every((answer) => answer === true)
  }

  async judge(accepted: Accepted, windowMs: number, deaths: readonly NodeDeath[]): Promise<readonly Verdict[]> {
    return (await this.all(() => ({ kind: "judge", accepted, windowMs, deaths }))) as Verdict[]
  }

  /** Of some clients, into files for people. */
  async writeJournals(clients: readonly string[], directory: string): Promise<void> {
    await this.all(() => ({ kind: "write-journals", clients, directory }))
  }

  stop(): void {
    for (const worker of this.workers) worker.stop()
  }

  private workerOf(client: number): number {
    return client % this.workers.length
  }

  private within(client: number): number {
    return Math.floor(client / this.workers.length)
  }

  private all(order: (worker: number) => Order): Promise<readonly unknown[]> {
    return Promise.all(this.workers.map((worker, w) => worker.send(order(w))))
  }
}
