import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as References from "effect/References"
import { expect } from "vitest"
import { hashApiKey } from "#adapters/http/api-key.ts"
import { type HttpAppOptions, httpApp } from "#adapters/http/http-app.ts"
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
import { standardWebhookVerifier } from "#adapters/webhook/standard-webhook-verifier.ts"
import { LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Backend } from "#application/ports/backend.ts"
import { Engine } from "#application/ports/engine.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import { ERRORS, Refusal } from "#domain/errors.ts"
import type { Publication } from "#domain/gate.ts"
import { DEFAULT_LIMITS, type Limits } from "#domain/limits.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"

export const KEYS = { all: "rc_all-scopes", reader: "rc_reader", none: "rc_nothing" }
export const SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/** Tokens of the API in these tests: `api.<scope>.<anything>`; `away.x.y` finds the keys away. */
const testTokens: Layer.Layer<TokenVerifier> = Layer.succeed(TokenVerifier, {
  verify: () => Effect.fail(new Refusal("unauthorized", "not a client's token")),
  verifyApi: (token) => {
    const [kind, scope] = token.split(".")
    if (kind === "away") return Effect.fail(new Refusal("keys_unavailable", "no keys"))
    return kind === "api" && (scope === "publish" || scope === "read" || scope === "manage")
      ? Effect.succeed({ userId: "issuer", tokenId: undefined, issuedAt: undefined, scopes: [scope] })
      : Effect.fail(new Refusal("unauthorized", "not one of the API's"))
  },
})

const nobody: Layer.Layer<Backend | EventHandlers> = Layer.mergeAll(
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
)

export interface LogLine {
  readonly level: string
  readonly text: string
  readonly annotations: Readonly<Record<string, unknown>>
}

interface FixtureOptions {
  readonly limits?: Partial<Limits>
  readonly app?: Partial<HttpAppOptions>
  /** Stands between the API and the real engine. */
  readonly engine?: (engine: Engine["Service"]) => Partial<Engine["Service"]>
  readonly rateLimiter?: typeof memoryRateLimiter
}

/** The whole HTTP edge over the memory engine, without a socket. Rooms that begin with `news:` keep 100 messages. */
export const startHttp = async (options: FixtureOptions = {}) => {
  const recorder = recordingMetrics()
  const lines: LogLine[] = []
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const history = { size: 100, ttlMs: 60_000 }
  const settings = testSettings({
    limits,
    rules: compileRoomRules({
      rooms: [
        { match: "news:*", join: "anyone", publish: "nobody", presence: false, history },
        { match: "plain:*", join: "anyone", publish: "nobody", presence: false, history: undefined },
      ],
      users: { history },
      everybody: { history: undefined },
    }),
  })
  const logger = Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
    lines.push({
      level: logLevel,
      text: `${String(message)} ${JSON.stringify(cause.reasons.map(String))}`,
      annotations: fiber.getRef(References.CurrentLogAnnotations),
    })
  })
  const base = Layer.mergeAll(
    recorder.layer,
    Layer.succeed(Settings, settings),
    Logger.layer([logger]),
    Layer.succeed(References.MinimumLogLevel, "Debug"),
  )
  const engine = Layer.effect(
    Engine,
    Effect.map(Engine, (real) => ({ ...real, ...options.engine?.(real) })),
  ).pipe(Layer.provide(memoryEngine))
  const stores = Layer.mergeAll(engine, memoryMessageLog, memorySessionStore).pipe(Layer.provideMerge(memoryStore()))
  const services = Layer.mergeAll(
    LocalRooms.layer,
    LocalConnections.layer,
    memoryConnectionDirectory,
    memoryIdempotency,
    memoryNodeCommands,
    memoryNodeRegistry,
    options.rateLimiter ?? memoryRateLimiter,
    memoryRevocations,
    randomIds,
    testTokens,
    nobody,
    standardWebhookVerifier({ keys: [{ id: "signer", secret: SIGNING_SECRET, scopes: ["publish"] }] }).pipe(
      Layer.orDie,
    ),
  ).pipe(Layer.provideMerge(stores), Layer.provideMerge(base))
  const runtime = ManagedRuntime.make(services)
  const started = await runtime.runPromise(Engine)
  const metrics = await runtime.runPromise(Metrics)
  const delivered: Publication[] = []
  started.start({
    deliver: (publication) => void delivered.push(publication),
    hole: () => {},
    newEpoch: () => {},
    taken: () => {},
    missed: async () => true,
  })
  const app = httpApp({
    runtime,
    metrics,
    limits,
    keys: [
      { id: "backend", scopes: ["publish", "read", "manage"], hash: hashApiKey(KEYS.all) },
      { id: "reader", scopes: ["read"], hash: hashApiKey(KEYS.reader) },
      { id: "none", scopes: [], hash: hashApiKey(KEYS.none) },
    ],
    origins: (origin) => origin === "https://app.example",
    accessLog: true,
    bodyLimits: undefined,
    readiness: () => undefined,
    metricsText: () => Promise.resolve({ contentType: "text/plain; version=0.0.4", body: "roomcast_up 1\n" }),
    metricsToken: undefined,
    ...options.app,
  })
  const call = (method: string, path: string, init: RequestInit = {}): Promise<Response> =>
    Promise.resolve(
      app.request(path, { method, ...init, headers: { Authorization: `Bearer ${KEYS.all}`, ...init.headers } }),
    )
  return {
    app,
    runtime,
    recorder,
    lines,
    delivered,
    call,
    /** `POST` of a JSON body, with the key that may do everything. */
    post: (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
      call("POST", path, {
        body: typeof body === "string" ? body : JSON.stringify(body),
        headers: { "Content-Type": "application/json", ...headers },
      }),
    /** From here on, what goes to these rooms is `delivered`. */
    watch: (...rooms: readonly string[]): Promise<unknown> =>
      runtime.runPromise(Effect.forEach(rooms, (room) => started.subscribe(room as RoomName))),
    [Symbol.asyncDispose]: () => runtime.dispose(),
  }
}

export const PUSH = { to: { rooms: ["news:a"] }, event: "greet", data: { text: "hi" } }

/** A JSON object, as tests look at it. */
export const jsonOf = async (response: Response): Promise<Record<string, unknown>> =>
  (await response.json()) as Record<string, unknown>

/** The problem that a response carries: well-formed, of this code, with the status that the domain gives it. */
export const problemOf = async (response: Response, code: keyof typeof ERRORS): Promise<Record<string, unknown>> => {
  const body = await jsonOf(response)
  expect({ code: body["code"], status: response.status, detail: body["detail"] }).toEqual({
    code,
    status: ERRORS[code].status,
    detail: body["detail"],
  })
  expect(response.headers.get("content-type")).toBe("application/problem+json")
  expect(body).toMatchObject({
    type: `urn:roomcast:error:${code}`,
    title: ERRORS[code].title,
    status: ERRORS[code].status,
    instance: `urn:roomcast:request:${response.headers.get("x-request-id")}`,
  })
  expect(typeof body["detail"]).toBe("string")
  return body
}
