import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { memoryConnectionDirectory } from "#adapters/memory/memory-connection-directory.ts"
import { memoryEngine } from "#adapters/memory/memory-engine.ts"
import { memoryIdempotency } from "#adapters/memory/memory-idempotency.ts"
import { memoryMessageLog } from "#adapters/memory/memory-message-log.ts"
import { memoryNodeCommands } from "#adapters/memory/memory-node-commands.ts"
import { memoryNodeRegistry } from "#adapters/memory/memory-node-registry.ts"
import { memoryRateLimiter } from "#adapters/memory/memory-rate-limiter.ts"
import { memoryRevocations } from "#adapters/memory/memory-revocations.ts"
import { memorySessionStore } from "#adapters/memory/memory-session-store.ts"
import { memoryStore } from "#adapters/memory/memory-store.ts"
import { randomIds } from "#adapters/memory/random-ids.ts"
import { engineEvents } from "#application/engine-events.ts"
import { LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Engine, type Publish, type Published } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { Settings } from "#application/ports/settings.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import type { Services } from "#application/services.ts"
import { Refusal } from "#domain/errors.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { compileRoomRules, type RoomRule } from "#domain/room-rules.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { nobody } from "./node-fixture.ts"
import { slowPorts, Turns } from "./slow-ports.ts"

const HISTORY = { size: 10, ttlMs: 60_000 }
export const WINDOW_MS = 120_000
export const MAX_MISSED = 16
const NO_LIMITS = { connectionsPerUser: 0, roomsPerConnection: 0, targetsPerMessage: 0, eventsPerSecond: 0 }

const rule = (match: string, join: RoomRule["join"], history: RoomRule["history"]): RoomRule => ({
  match,
  join,
  publish: "members",
  presence: history !== undefined,
  history,
})

const settings = testSettings({
  rules: compileRoomRules({
    rooms: [rule("log-*", "anyone", HISTORY), rule("token-*", "token", HISTORY), rule("raw-*", "anyone", undefined)],
    users: { history: HISTORY },
    everybody: { history: HISTORY },
  }),
  limits: { ...DEFAULT_LIMITS, ...NO_LIMITS, bufferBytes: 3_000 },
  recovery: { windowMs: WINDOW_MS, maxMessages: MAX_MISSED },
})

/** A token is a user's name, with a + where it grants the rooms that need a token. */
const verifier = Layer.succeed(TokenVerifier, {
  verify: (token) =>
    Effect.succeed({
      userId: token.replace("+", ""),
      expiresAt: 4_000_000_000,
      issuedAt: 0,
      tokenId: undefined,
      rooms: token.endsWith("+") ? ["token-*"] : [],
      publish: [],
      info: undefined,
    }),
  verifyApi: () => Effect.fail(new Refusal("unauthorized", "none")),
})

export interface ModelNode {
  readonly context: Context.Context<Services>
  readonly turns: Turns
  readonly hits: readonly string[]
  /** Everything that was published, presence included, in order. */
  readonly published: readonly { readonly publish: Publish; readonly published: Published }[]
  /** The engine and the log as they are in the store, at once. */
  readonly engine: Engine["Service"]
  readonly log: MessageLog["Service"]
  readonly run: <A, E>(effect: Effect.Effect<A, E, Services>, onExit: (exit: Exit.Exit<A, E>) => void) => void
  readonly nowMs: () => number
  readonly pass: (ms: number) => Promise<void>
  /** What went wrong that nobody expects: a defect in a use case. */
  readonly defects: string[]
  readonly stop: () => Promise<void>
}

/** A node over the memory engine, whose ports answer when the test says so. */
export const modelNode = async (): Promise<ModelNode> => {
  const turns = new Turns()
  const metrics = recordingMetrics()
  const published: { readonly publish: Publish; readonly published: Published }[] = []
  const defects: string[] = []
  const clock = TestClock.layer()
  const recorded = Layer.effect(
    Engine,
    Effect.map(Engine, (engine) => ({
      ...engine,
      publish: (publish: Publish) =>
        Effect.tap(engine.publish(publish), (answer) =>
          Effect.sync(() => published.push({ publish, published: answer })),
        ),
    })),
  ).pipe(Layer.provide(memoryEngine))
  const stores = Layer.mergeAll(recorded, memoryMessageLog, memorySessionStore, memoryConnectionDirectory).pipe(
    Layer.provide(memoryStore()),
    Layer.provideMerge(Layer.mergeAll(metrics.layer, Layer.succeed(Settings, settings))),
  )
  const near = ManagedRuntime.make(Layer.provideMerge(stores, clock))
  const nearby = await near.context()
  const far = ManagedRuntime.make(
    Layer.mergeAll(
      LocalRooms.layer,
      LocalConnections.layer,
      memoryIdempotency,
      memoryRateLimiter,
      memoryRevocations,
      memoryNodeCommands,
      memoryNodeRegistry,
      randomIds,
    ).pipe(
      Layer.provideMerge(verifier),
      Layer.provideMerge(nobody),
      Layer.provideMerge(slowPorts(turns)),
      Layer.provideMerge(Layer.succeedContext(nearby)),
      Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None")),
    ),
  )
  const context = await far.context()
  const nowMs = (): number => Context.get(nearby, Clock.Clock).currentTimeMillisUnsafe()
  const engine = Context.get(nearby, Engine)
  engine.start(engineEvents(context, nowMs))
  return {
    context,
    turns,
    hits: metrics.hits,
    published,
    engine,
    log: Context.get(nearby, MessageLog),
    run: (effect, onExit) => {
      far.runCallback(effect, {
        onExit: (exit) => {
          if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) defects.push(Cause.pretty(exit.cause))
          onExit(exit)
        },
      })
    },
    nowMs,
    pass: (ms) => near.runPromise(TestClock.adjust(ms)),
    defects,
    stop: async () => {
      turns.end()
      await far.dispose()
      await near.dispose()
    },
  }
}
