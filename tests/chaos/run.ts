import { setTimeout as sleep } from "node:timers/promises"
import { token } from "#tests/support/gateway.ts"
import type { ClientPlan } from "./chaos-client.ts"
import { Cluster, RECOVERY_WINDOW_MS } from "./cluster.ts"
import { Faults } from "./faults.ts"
import { Publisher } from "./publisher.ts"
import { Random } from "./random.ts"
import { type Report, reportOf } from "./report.ts"
import { type FaultKind, makeSchedule } from "./schedule.ts"
import { Workers } from "./workers.ts"

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  /** Pushes a second. */
  readonly rate: number
  readonly clients: number
  readonly kinds: readonly FaultKind[]
  /** Mean time between faults. */
  readonly everyMs: number
  /** Keep what the nodes wrote. */
  readonly keep: boolean
  readonly tell: (line: string) => void
}

const NODES = 3
const WORKERS = 2
const ROOMS_EACH = 3
const MEMBERS = 15
const ROOM_CHANGE_MS = 30_000
const OPEN_MS = 60_000
/** All that is owed comes within it, on a busy machine too. */
const SETTLE_MS = 60_000
const LAST_PUSH_MS = 60_000
/** A node that died counts as gone since it was last seen: the window may begin a lease earlier than the client thinks. */
const SLACK_MS = 15_000
const TRANSPORTS: readonly ClientPlan["transports"][] = [["websocket"], ["polling"], ["polling", "websocket"]]

const plansOf = async (options: ChaosOptions, rooms: readonly string[], random: Random): Promise<ClientPlan[]> =>
  await Promise.all(
    Array.from({ length: options.clients }, async (_, i) => ({
      user: `user-${i}`,
      token: await token(`user-${i}`, { expiresInSeconds: 86_400 }),
      transports: TRANSPORTS[i % TRANSPORTS.length]!,
      rooms: random.sample(rooms, ROOMS_EACH),
      rejoins: random.next() < 0.5,
    })),
  )

const within = async (ms: number, isSo: () => Promise<boolean>): Promise<boolean> => {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(500)) if (await isSo()) return true
  return false
}

/** Clients change a room, each about every ROOM_CHANGE_MS, as long as it is so. */
const changeRooms = async (
  { clients, random, rooms, workers }: { workers: Workers; rooms: readonly string[]; clients: number; random: Random },
  goesOn: () => boolean,
): Promise<void> => {
  while (goesOn()) {
    await sleep(ROOM_CHANGE_MS / clients)
    await workers.move(random.whole(0, clients - 1), random.pick(rooms))
  }
}

/** One seeded run of the cluster under faults, and what came of it. */
export const runChaos = async (options: ChaosOptions): Promise<Report> => {
  const random = new Random(options.seed)
  const schedule = makeSchedule({ ...options, nodes: NODES })
  const count = Math.max(2, Math.round((options.clients * ROOMS_EACH) / MEMBERS))
  const rooms = Array.from({ length: count }, (_, i) => `chaos:${i}`)
  const plans = await plansOf(options, rooms, random)
  const cluster = await Cluster.start(NODES)
  const workers = new Workers(WORKERS)
  let failed = true
  try {
    const startedAt = Date.now()
    const now = (): number => Date.now() - startedAt
    await workers.open(cluster.url, plans, startedAt)
    if (!(await within(OPEN_MS, () => workers.settled()))) throw new Error("not all clients got in")
    const from = now()
    const faults = new Faults({ cluster, workers, random, clients: options.clients, now })
    const publisher = new Publisher({
      url: cluster.url,
      perSecond: options.rate,
      rooms,
      users: plans.map(({ user }) => user),
      random: new Random(options.seed + 1),
      name: `chaos-${options.seed}`,
    })
    publisher.start()
    let going = true
    const changing = changeRooms({ workers, rooms, clients: options.clients, random }, () => going)
    await Promise.all([
      faults.run(schedule.map((fault) => ({ ...fault, atMs: fault.atMs + from }))),
      sleep(options.seconds * 1000),
    ])
    going = false
    await changing
    await publisher.stop(LAST_PUSH_MS)
    const loadMs = now() - from
    options.tell(`faults are over after ${Math.round(loadMs / 1000)} s; waiting for what is owed`)
    const judgeAll = () => workers.judge(publisher.accepted, RECOVERY_WINDOW_MS - SLACK_MS, faults.deaths)
    await within(SETTLE_MS, async () => {
      if (!(await workers.settled())) return false
      return (await judgeAll()).every(({ counts }) => counts.lost === 0)
    })
    // Nothing more may come: what does is one too many.
    await sleep(1_000)
    const verdicts = await judgeAll()
    const crashes = cluster.nodes.flatMap((node) => node.crashes)
    const report = reportOf({ options, loadMs, publisher, faults, verdicts, crashes, directory: cluster.directory })
    failed = report.failures.length > 0
    await workers.writeJournals(report.suspects, cluster.directory)
    return report
  } finally {
    workers.stop()
    await cluster.stop(options.keep || failed)
  }
}
