import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { memoryEngine } from "#adapters/memory/memory-engine.ts"
import { memoryStore } from "#adapters/memory/memory-store.ts"
import { RoomLog } from "#adapters/memory/room-log.ts"
import { Engine } from "#application/ports/engine.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Message } from "#domain/message.ts"
import { silentMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const messageOf = (id: string): Message => ({
  id,
  event: "e",
  data: "1",
  ts: 0,
  sender: undefined,
  rooms: [],
  except: undefined,
  volatile: false,
  expiresAt: undefined,
})

it("a room's log lets go of what it forgets at once", async () => {
  const log = new RoomLog({ size: 10, ttlMs: 60_000 })
  const made: WeakRef<Message>[] = []
  for (let i = 1; i <= 500; i++) {
    const message = messageOf(`m${i}`)
    made.push(new WeakRef(message))
    log.append({ offset: i, previous: i - 1, message }, { size: 10, ttlMs: 60_000 }, 0)
  }
  await new Promise((done) => setTimeout(done))
  collectGarbage()
  expect(log.size).toBe(10)
  expect(made.filter((ref) => ref.deref() !== undefined).length).toBeLessThanOrEqual(11)
})

const engine = memoryEngine.pipe(
  Layer.provide(memoryStore()),
  Layer.provide(Layer.mergeAll(silentMetrics, Layer.succeed(Settings, testSettings()))),
)

it.effect("an idempotency key is remembered without the message that it stood for", () =>
  Effect.gen(function* () {
    const { publish, start } = yield* Engine
    start({ deliver: () => {}, hole: () => {}, newEpoch: () => {}, taken: () => {}, missed: async () => true })
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 500; i++) {
      const digest = Buffer.alloc(100_000, `${i}-`).toString("latin1")
      yield* publish({ message: messageOf(`k${i}`), histories: [], idempotency: { key: `k${i}`, digest } })
    }
    collectGarbage()
    expect((process.memoryUsage().heapUsed - before) / 1_048_576).toBeLessThan(10)
    const long = "d".repeat(1_000)
    const first = yield* publish({ message: messageOf("a"), histories: [], idempotency: { key: "k", digest: long } })
    const again = yield* publish({ message: messageOf("b"), histories: [], idempotency: { key: "k", digest: long } })
    expect(again).toEqual({ ...first, repeated: true })
    const other = publish({ message: messageOf("c"), histories: [], idempotency: { key: "k", digest: `${long}!` } })
    expect((yield* Effect.flip(other))._tag).toBe("idempotency_key_reused")
  }).pipe(Effect.provide(engine)),
)
