import type * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { expect } from "vitest"
import { hashApiKey } from "#adapters/http/api-key.ts"
import { httpApp } from "#adapters/http/http-app.ts"
import { Metrics } from "#application/ports/metrics.ts"
import type { Services } from "#application/services.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { type ConnectOptions, connect, memoryNode, type OtherNode } from "#tests/application/node-fixture.ts"
import { jsonOf } from "./http-fixture.ts"

export const KEYS = { publish: "rc_publish", read: "rc_read", manage: "rc_manage", all: "rc_all" }
export const HISTORY = { size: 100, ttlMs: 60_000 }

/** Rooms that begin with `news:` keep history, `plain:` do not; nothing else has a rule. */
const rules = compileRoomRules({
  rooms: [
    { match: "news:*", join: "nobody", publish: "nobody", presence: true, history: HISTORY },
    { match: "plain:*", join: "anyone", publish: "nobody", presence: false, history: undefined },
  ],
  users: { history: HISTORY },
  everybody: { history: undefined },
})

/** The HTTP API over a node that has real connections with made-up clients. */
export const startApi = async (others: Readonly<Record<string, OtherNode>> = {}) => {
  const limits = { ...DEFAULT_LIMITS, roomsPerConnection: 2 }
  const runtime = ManagedRuntime.make(memoryNode({ settings: { rules, limits }, others }))
  const app = httpApp({
    runtime,
    metrics: await runtime.runPromise(Metrics),
    limits,
    keys: [
      { id: "publish", scopes: ["publish"], hash: hashApiKey(KEYS.publish) },
      { id: "read", scopes: ["read"], hash: hashApiKey(KEYS.read) },
      { id: "manage", scopes: ["manage"], hash: hashApiKey(KEYS.manage) },
      { id: "all", scopes: ["publish", "read", "manage"], hash: hashApiKey(KEYS.all) },
    ],
    origins: () => false,
    accessLog: false,
    bodyLimits: undefined,
    readiness: () => undefined,
    metricsText: () => Promise.resolve({ contentType: "text/plain", body: "" }),
    metricsToken: undefined,
  })
  const call = async (method: string, path: string, body?: unknown, key = KEYS.all): Promise<Response> =>
    app.request(`/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  return {
    call,
    run: <A, E>(effect: Effect.Effect<A, E, Services>): Promise<A> => runtime.runPromise(effect),
    connect: (options: ConnectOptions) => runtime.runPromise(connect(options)),
    /** The JSON of a 200. */
    get: async (path: string) => {
      const response = await call("GET", path)
      expect(response.status).toBe(200)
      return jsonOf(response)
    },
    [Symbol.asyncDispose]: () => runtime.dispose(),
  }
}
