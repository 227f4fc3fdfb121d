import { setTimeout as sleep } from "node:timers/promises"
import { API_KEY, token } from "#tests/support/gateway.ts"
import { RawConnection } from "./raw-connection.ts"
import { RawPusher } from "./raw-pusher.ts"
import { percentile } from "./statistics.ts"

/**
 * The load client, a process of its own: connections to each measured server, and the pushes that they receive. Sender
 * and receivers share a clock, so that latencies need no other.
 */
export interface ConnectOrder {
  readonly server: string
  readonly port: number
  /** So many more. */
  readonly count: number
  readonly rooms: readonly string[]
}

export interface LoadOrder {
  readonly server: string
  readonly body: string
  readonly ms: number
}

export interface FloodOrder extends LoadOrder {
  /** Messages under way at once. */
  readonly window: number
}

export interface SteadyOrder extends LoadOrder {
  readonly perSecond: number
}

export interface PushOrder extends LoadOrder {
  readonly connections: number
}

export interface Work {
  readonly seconds: number
  readonly messages: number
  readonly deliveries: number
  /** Of all frames of a delivery, headers included. */
  readonly wireBytes: number
  /** This process's own, µs. */
  readonly cpu: number
}

export interface SteadyWork extends Work {
  /** From before the push is written to the frame's arrival, ms. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

const AT_ONCE = 50
const DRAIN_MS = 20_000
/** At a steady rate. */
const MOST_UNANSWERED = 200

class Group {
  readonly connections: RawConnection[] = []
  received = 0
  bytes = 0
  failure: Error | undefined
  private users = 0
  onMessage: ((connection: RawConnection) => void) | undefined
  /** Where its clients are, and where it is pushed to, in turn. */
  readonly ports: number[] = []
  private readonly name: string

  constructor(name: string) {
    this.name = name
  }

  /** Each client is a user of its own. */
  nextUser(): string {
    return `user-${this.users++}`
  }

  readonly fail = (reason: string): void => {
    this.failure ??= new Error(`${this.name}: ${reason}`)
  }

  readonly take = (connection: RawConnection, frameBytes: number): void => {
    this.received++
    this.bytes += frameBytes
    this.onMessage?.(connection)
  }
}

const groups = new Map<string, Group>()

const groupOf = (name: string): Group => {
  const group = groups.get(name)
  if (group === undefined) throw new Error(`not connected to ${name}`)
  return group
}

const open = async (group: Group, port: number, rooms: readonly string[]): Promise<void> => {
  const connection = new RawConnection({
    port,
    token: await token(group.nextUser()),
    onMessage: group.take,
    onEnd: group.fail,
  })
  group.connections.push(connection)
  await connection.open
  for (const room of rooms) await connection.join(room)
}

const connectClients = async ({ count, port, rooms, server }: ConnectOrder): Promise<void> => {
  const group = groups.get(server) ?? new Group(server)
  groups.set(server, group)
  if (!group.ports.includes(port)) group.ports.push(port)
  let left = count
  const worker = async (): Promise<void> => {
    while (left-- > 0) await open(group, port, rooms)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

const disconnect = ({ server }: { readonly server: string }): void => {
  for (const connection of groupOf(server).connections) connection.close()
  groups.delete(server)
}

/** Runs `load` for its time, then waits until every message that was pushed has reached every client. */
const measured = async (
  group: Group,
  perMessage: number,
  load: (stop: () => boolean) => Promise<number>,
  ms: number,
): Promise<Work> => {
  const before = { ...process.cpuUsage(), received: group.received, bytes: group.bytes, at: performance.now() }
  const end = before.at + ms
  const messages = await load(() => performance.now() >= end || group.failure !== undefined)
  const deadline = performance.now() + DRAIN_MS
  const due = before.received + messages * perMessage
  while (group.received < due && group.failure === undefined) {
    if (performance.now() > deadline) group.fail(`${due - group.received} messages did not come`)
    await sleep(1)
  }
  if (group.failure !== undefined) throw group.failure
  const { system, user } = process.cpuUsage(before as { user: number; system: number })
  return {
    seconds: (performance.now() - before.at) / 1000,
    messages,
    deliveries: group.received - before.received,
    wireBytes: group.bytes - before.bytes,
    cpu: system + user,
  }
}

const pushers = (group: Group, count: number, body: string, onAnswer: (pusher: RawPusher) => void): RawPusher[] =>
  Array.from({ length: count }, (_, i) => {
    const port = group.ports[i % group.ports.length] ?? 0
    const pusher = new RawPusher({ port, apiKey: API_KEY, onAnswer, onError: group.fail })
    pusher.prepare(body)
    return pusher
  })

/** As fast as it goes: a next message as soon as one of those under way has reached everybody. */
const flood = async ({ body, ms, server, window }: FloodOrder): Promise<Work> => {
  const group = groupOf(server)
  const receivers = group.connections.length
  const idle = pushers(group, window, body, (pusher) => idle.push(pusher))
  const all = [...idle]
  try {
    return await measured(
      group,
      receivers,
      (stop) =>
        new Promise((resolve) => {
          const begun = group.received
          let sent = 0
          const next = (): void => {
            if (stop()) {
              group.onMessage = undefined
              clearInterval(timer)
              resolve(sent)
              return
            }
            while (sent * receivers - (group.received - begun) <= (window - 1) * receivers) {
              const pusher = idle.pop()
              if (pusher === undefined) return
              sent++
              pusher.push()
            }
          }
          group.onMessage = () => {
            if ((group.received - begun) % receivers === 0) next()
          }
          // Frames can overtake the answer to their push: whoever waits for a pusher looks again.
          const timer = setInterval(next, 1)
          next()
        }),
      ms,
    )
  } finally {
    for (const pusher of all) pusher.close()
  }
}

/** At a steady rate, whether or not what was sent before has come. */
const steady = async ({ body, ms, perSecond, server }: SteadyOrder): Promise<SteadyWork> => {
  const group = groupOf(server)
  const latencies: number[] = []
  const sentAt: number[] = []
  const before = group.connections[0]?.messages ?? 0
  const idle = pushers(group, group.ports.length, body, (pusher) => idle.push(pusher))
  const all = [...idle]
  const another = (): RawPusher => {
    if (all.length === MOST_UNANSWERED) throw new Error(`${server} does not answer ${MOST_UNANSWERED} pushes`)
    const made = pushers(group, 1, body, (pusher) => idle.push(pusher))
    all.push(...made)
    return made[0]!
  }
  group.onMessage = (connection) => {
    latencies.push(performance.now() - (sentAt[connection.messages - before - 1] ?? 0))
  }
  try {
    const work = await measured(
      group,
      group.connections.length,
      async (stop) => {
        const start = performance.now()
        while (!stop()) {
          const wait = start + (sentAt.length * 1000) / perSecond - performance.now()
          if (wait > 0) await sleep(wait)
          const pusher = idle.shift() ?? another()
          sentAt.push(performance.now())
          pusher.push()
        }
        return sentAt.length
      },
      ms,
    )
    latencies.sort((a, b) => a - b)
    return { ...work, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), max: latencies.at(-1) ?? 0 }
  } finally {
    group.onMessage = undefined
    for (const pusher of all) pusher.close()
  }
}

/** Pushes on `connections` keep-alive connections, each as soon as the one before is answered. */
const push = async ({ body, connections, ms, server }: PushOrder): Promise<Work> => {
  const group = groupOf(server)
  let all: RawPusher[] = []
  try {
    return await measured(
      group,
      group.connections.length,
      (stop) =>
        new Promise((resolve) => {
          let answered = 0
          let busy = connections
          all = pushers(group, connections, body, (pusher) => {
            answered++
            if (!stop()) pusher.push()
            else if (--busy === 0) resolve(answered)
          })
          for (const pusher of all) pusher.push()
        }),
      ms,
    )
  } finally {
    for (const pusher of all) pusher.close()
  }
}

const ORDERS: Readonly<Record<string, (order: never) => unknown>> = {
  connect: connectClients,
  disconnect,
  flood,
  steady,
  push,
}

process.on("message", ({ argument, id, question }: { id: number; question: string; argument: never }) => {
  void Promise.resolve()
    .then(() => ORDERS[question]?.(argument))
    .then(
      (answer) => process.send?.({ id, answer }),
      (error: unknown) => process.send?.({ id, error: String(error) }),
    )
})
