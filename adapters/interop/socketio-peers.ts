import { createAdapter } from "@socket.io/redis-adapter"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Cluster, Redis } from "ioredis"
import { LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Ids } from "#application/ports/ids.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { Answers } from "./answers.ts"
import { type Complaint, Complaints } from "./complaints.ts"
import { Doorkeeper } from "./doorkeeper.ts"
import { Emission } from "./emission.ts"
import { NamespaceView, RoomsView, SocketsView } from "./namespace-view.ts"
import { PeerCommands } from "./peer-commands.ts"
import { Subscription } from "./subscription.ts"

export interface SocketioPeersOptions {
  /** `redis.prefix` of the configuration. */
  readonly prefix: string
  /**
   * Makes a client that connects when told to and goes on trying, queues nothing while Redis is away, and gives a command
   * up in time; called twice.
   */
  readonly client: () => Redis | Cluster
}

/** Where no limit of payloads is configured; the HTTP API reads as much. */
const MAX_MESSAGE = 10_485_760
/** Beside the data: names of rooms. */
const ROOMS_BYTES = 1_048_576

const COMPLAINTS = {
  message: "a message of another Socket.IO program was not taken",
  change: "a join or leave that another Socket.IO program asked for was not done",
  answer: "an answer to another Socket.IO program was not published",
  redis: "the connection to Redis for other Socket.IO programs failed",
} as const

/** The `key` that other programs configure. The number is the version of what goes over its channels. */
export const peersKey = (prefix: string): string => `${prefix}:socketio:1`

/**
 * What `@socket.io/redis-emitter` and stock servers with `@socket.io/redis-adapter` publish reaches our clients, best
 * effort: the stock adapter over our own rooms and connections, guarded at each end.
 */
const open = (services: Context.Context<Services>, options: SocketioPeersOptions, nowMs: () => number) => {
  const { byId: connections } = Context.get(services, LocalConnections)
  const { byName: rooms } = Context.get(services, LocalRooms)
  const { limits } = Context.get(services, Settings)
  const metrics = Context.get(services, Metrics)
  const ids = Context.get(services, Ids)
  const run = Effect.runForkWith(services)
  const complaints = new Complaints(COMPLAINTS, nowMs, ({ message, ...rest }: Complaint) => {
    run(Effect.annotateLogs(Effect.logWarning(message), { category: ["adapters", "interop"], ...rest }))
  })

  const publisher = options.client()
  const subscriber = options.client()
  for (const client of [publisher, subscriber]) client.on("error", (error: unknown) => complaints.add("redis", error))
  const subscription = new Subscription(subscriber, (error) => complaints.add("redis", error))
  const answers = new Answers({
    client: publisher,
    done: () => metrics.peerMessage("answer", "ok"),
    failed: (error) => {
      metrics.peerMessage("answer", "failed")
      complaints.add("answer", error)
    },
    full: () => metrics.limitHit("peer_answers"),
  })

  const commands = new PeerCommands(services, (reason) => complaints.add("change", reason))
  const emission = { payloadBytes: limits.payloadBytes, id: ids.message, nowMs }
  /** Of the message that is being handed on. */
  let emitted: Emission | undefined
  const view = new NamespaceView({ connections, rooms }, commands, (packet) => {
    emitted = new Emission(packet, emission)
    return emitted
  })
  const key = peersKey(options.prefix)
  const adapter = createAdapter(answers, subscription, { key })(view)
  const roomsView = new RoomsView({ connections, rooms })
  adapter.rooms = roomsView
  adapter.sids = new SocketsView({ connections, rooms })
  subscription.leaveOut((channel) => channel.startsWith(`${key}-response#`))

  const door = new Doorkeeper({
    largest: limits.payloadBytes === 0 ? MAX_MESSAGE : 3 * limits.payloadBytes + ROOMS_BYTES,
    count: (names) =>
      names.length === 0 ? connections.size : names.reduce<number>((sum, name) => sum + roomsView.count(name), 0),
    nowMs,
    limitHit: metrics.limitHit,
  })
  const guard = (kind: "emit" | "request", hand: () => Promise<void>): void => {
    const refuse = (error: unknown): void => {
      metrics.peerMessage(kind, "refused")
      complaints.add("message", error)
    }
    emitted = undefined
    hand().then(() => metrics.peerMessage(kind, "ok"), refuse)
    if (emitted !== undefined) count(emitted)
  }
  const count = ({ bytes, sent }: Emission): void => {
    if (sent > 0) metrics.messageDelivered(sent, bytes)
  }
  subscriber.on("pmessageBuffer", (pattern: string, channel: Buffer, bytes: Buffer) =>
    guard("emit", async () => subscription.hand("pmessageBuffer", pattern, channel, door.emit(bytes))),
  )
  subscriber.on("messageBuffer", (channel: Buffer, bytes: Buffer) =>
    guard("request", async () => subscription.hand("messageBuffer", channel, door.request(bytes))),
  )
  // A first try that fails is told by `error`; it goes on trying by itself.
  for (const client of [publisher, subscriber]) if (client.status === "wait") client.connect().catch(() => undefined)

  return {
    close: () => {
      subscription.close()
      publisher.disconnect()
      commands.close()
    },
  }
}

/** Lives with the node; every service that a use case needs is to be there. */
export const socketioPeers = (options: SocketioPeersOptions): Layer.Layer<never, never, Services> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const services = yield* Effect.context<Services>()
      const clock = yield* Clock.Clock
      yield* Effect.acquireRelease(
        Effect.sync(() => open(services, options, () => clock.currentTimeMillisUnsafe())),
        (peers) => Effect.sync(() => peers.close()),
      )
    }),
  )
