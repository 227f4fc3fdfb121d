import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { memoryConnectionDirectory } from "#adapters/memory/memory-connection-directory.ts"
import { memoryEngine } from "#adapters/memory/memory-engine.ts"
import { memoryIdempotency } from "#adapters/memory/memory-idempotency.ts"
import { memoryMessageLog } from "#adapters/memory/memory-message-log.ts"
import { memoryNodeRegistry } from "#adapters/memory/memory-node-registry.ts"
import { memoryRateLimiter } from "#adapters/memory/memory-rate-limiter.ts"
import { memoryRevocations } from "#adapters/memory/memory-revocations.ts"
import { memorySessionStore } from "#adapters/memory/memory-session-store.ts"
import { memoryStore } from "#adapters/memory/memory-store.ts"
import { randomIds } from "#adapters/memory/random-ids.ts"
import { LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import type { Outgoing } from "#application/ports/link.ts"
import {
  type CommandRefusal,
  type NodeAnswer,
  type NodeCommand,
  NodeCommands,
} from "#application/ports/node-commands.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import { SignatureVerifier } from "#application/ports/signature-verifier.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { obeyCommand } from "#application/use-cases/obey-command.ts"
import type { Closing } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import { connectionRoom, EVERYBODY, isGatewayRoom, type RoomName, userRoom } from "#domain/room.ts"
import type { Entry } from "#domain/session.ts"
import { type Claims, userOf } from "#domain/user.ts"
import { silentMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"

/** Another node of the cluster, as far as commands go. */
export type OtherNode = (command: NodeCommand) => Effect.Effect<NodeAnswer, CommandRefusal>

export interface NodeOptions {
  readonly settings?: Partial<Settings["Service"]>
  readonly others?: Readonly<Record<string, OtherNode>>
}

const SELF = "test-node"

/** Ports with nobody behind them: no backend, no handlers, no token is good. */
export const nobody = Layer.mergeAll(
  Layer.succeed(Backend, {
    hears: () => false,
    ask: () => Effect.fail(new Refusal("backend_unavailable", "none")),
    notify: () => {},
  }),
  Layer.succeed(EventHandlers, {
    handles: () => false,
    run: () => Effect.fail(new Refusal("handler_failed", "none")),
    connect: () => Effect.void,
    disconnect: () => Effect.void,
    error: () => Effect.void,
  }),
  Layer.succeed(TokenVerifier, {
    verify: () => Effect.fail(new Refusal("unauthorized", "none")),
    verifyApi: () => Effect.fail(new Refusal("unauthorized", "none")),
  }),
  Layer.succeed(SignatureVerifier, { verify: () => Effect.fail(new Refusal("unauthorized", "none")) }),
)

const commandsOver = (others: Readonly<Record<string, OtherNode>>): Layer.Layer<NodeCommands> =>
  Layer.sync(NodeCommands, () => {
    let here: OtherNode | undefined
    return {
      nodes: () => Effect.succeed([SELF, ...Object.keys(others)]),
      send: (node, command) =>
        (node === SELF ? here : others[node])?.(command) ??
        Effect.fail(new Refusal("engine_unavailable", `there is no node ${node}`)),
      serve: (run) => {
        here = run
      },
    }
  })

/** A node over the memory engine that obeys commands, with other nodes of the test's own beside it. */
export const memoryNode = ({ settings, others = {} }: NodeOptions = {}): Layer.Layer<Services> => {
  const base = Layer.mergeAll(silentMetrics, Layer.succeed(Settings, testSettings(settings)))
  const stores = Layer.mergeAll(memoryEngine, memoryMessageLog, memorySessionStore).pipe(
    Layer.provideMerge(memoryStore()),
  )
  const services = Layer.mergeAll(
    LocalRooms.layer,
    LocalConnections.layer,
    memoryConnectionDirectory,
    memoryIdempotency,
    memoryRateLimiter,
    memoryRevocations,
    commandsOver(others),
    memoryNodeRegistry,
    randomIds,
    nobody,
  ).pipe(Layer.provideMerge(stores), Layer.provideMerge(base))
  const started = Layer.effectDiscard(
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const engine = yield* Engine
      engine.start({ deliver: () => {}, hole: () => {}, newEpoch: () => {}, taken: () => {}, missed: async () => true })
      const commands = yield* NodeCommands
      commands.serve((command) => Effect.provideContext(obeyCommand(command), context))
    }),
  )
  return Layer.provideMerge(started, services)
}

export interface ConnectOptions {
  readonly id: string
  readonly userId?: string
  readonly claims?: Partial<Claims>
  readonly rooms?: readonly string[]
  /** Ids that its session had before. */
  readonly pastIds?: readonly string[]
  /** What its client acknowledges with; undefined: nothing, ever. */
  readonly answer?: (outgoing: Outgoing) => unknown
  /** The directory has it on that node; it is not here then. */
  readonly node?: string
  /** Has a session, so that it can be recovered. */
  readonly session?: boolean
}

export interface Client {
  readonly connection: LocalConnection
  /** What its client was asked. */
  readonly asked: Outgoing[]
  /** The gateway's own events: name, data, position. */
  readonly emitted: (readonly [string, unknown, string | undefined])[]
  readonly closings: Closing[]
}

const OLD: Entry = { at: 0, by: "rule" }
export const SESSION_ID = "abcdefghijklmnopqrstuvwxyz0"

/** A connection that was let in, with a client that answers as it is told to. */
export const connect = Effect.fnUntraced(function* (
  options: ConnectOptions,
): Effect.fn.Return<Client, Refusal, Services> {
  const context = yield* Effect.context<Services>()
  const directory = yield* ConnectionDirectory
  const local = yield* LocalConnections
  const { id, userId = "ann", node = SELF } = options
  const asked: Outgoing[] = []
  const emitted: (readonly [string, unknown, string | undefined])[] = []
  const closings: Closing[] = []
  const rooms = [userRoom(userId), EVERYBODY, connectionRoom(id), ...((options.rooms ?? []) as RoomName[])]
  const claims: Claims = {
    userId,
    expiresAt: 4_000_000_000,
    issuedAt: 1_000,
    tokenId: undefined,
    rooms: [],
    publish: [],
    info: undefined,
    ...options.claims,
  }
  const entries = rooms.map((room) => [room, OLD] as const)
  if (options.session === true) {
    const sessions = yield* SessionStore
    yield* sessions.open({
      id: SESSION_ID,
      owner: 1,
      userId,
      node,
      connectionIds: [id],
      rooms: new Map(entries),
      info: undefined,
    })
  }
  const connection: LocalConnection = new LocalConnection(
    {
      id,
      user: userOf(claims),
      connectedAt: 0,
      address: "192.0.2.1",
      transport: "websocket",
      session: options.session === true ? { id: SESSION_ID, owner: 1 } : undefined,
      ids: [...(options.pastIds ?? []), id],
      rooms: entries,
      floor: [0],
    },
    {
      opened: () => {},
      send: () => {},
      emit: (event, data, position) => void emitted.push([event, data, position]),
      ask: (outgoing, timeoutMs) =>
        Effect.suspend(() => {
          asked.push(outgoing)
          return options.answer === undefined
            ? Effect.as(Effect.sleep(timeoutMs), undefined)
            : Effect.succeed({ data: options.answer(outgoing) })
        }),
      drained: () => Effect.void,
      close: (closing) => {
        if (closings.length > 0) return false
        closings.push(closing)
        Effect.runForkWith(context)(
          closeConnection({ connection, reason: closing.code, outcome: closing.reconnect ? "kept" : "ended" }),
        )
        return true
      },
      bufferedBytes: 0,
      tend: () => {},
    },
  )
  connection.admitted = true
  if (node === SELF) local.add(connection)
  yield* directory.register({
    connectionId: id,
    userId,
    node,
    transport: "websocket",
    address: "192.0.2.1",
    rooms: rooms.filter((room) => !isGatewayRoom(room)),
    connectedAt: 0,
  })
  return { connection, asked, emitted, closings }
})
