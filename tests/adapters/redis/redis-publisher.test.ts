import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterAll, expect, it } from "vitest"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { HISTORY } from "#tests/contracts/engine-contract.ts"
import { redisLayer } from "#tests/contracts/redis-fixture.ts"
import { messageTo, room } from "#tests/domain/made.ts"
import { startRedis } from "#tests/support/redis-server.ts"

const server = await startRedis()
afterAll(() => server.stop())

it("refuses a key's other body for as long as any partition has the key, also where it came to that one by a repeat", async () => {
  const prefix = "late-step"
  const runtime = ManagedRuntime.make(redisLayer(server.url, { prefix, partitions: 4 }))
  const engine = await runtime.runPromise(Engine)
  const log = await runtime.runPromise(MessageLog)
  const first = room("first")
  const other = Array.from({ length: 20 }, (_, i) => room(`other-${i}`)).find(
    (name) => engine.partitionOf(name) !== engine.partitionOf(first),
  )
  if (other === undefined) throw new Error("all rooms are in one partition")
  const publish = (digest: string, ...rooms: (typeof first)[]) =>
    runtime.runPromise(
      Effect.result(
        engine.publish({
          message: messageTo(rooms),
          histories: rooms.map(() => HISTORY),
          idempotency: { key: "k", digest },
        }),
      ),
    )
  await publish("a", first)
  // Nine minutes later it is repeated, for its answer was a 503: that partition did not have it.
  const [body = ""] = await server.client.keys(`${prefix}:body:*`)
  const [once = ""] = await server.client.keys(`${prefix}:*:once:k`)
  await server.client.del(once)
  await server.client.pexpire(body, 500)
  await publish("a", first)
  await sleep(600)
  const refused = await publish("b", other, first)
  expect(refused._tag === "Failure" && refused.failure._tag).toBe("idempotency_key_reused")
  expect((await runtime.runPromise(log.describe(other))).size).toBe(0)
  expect(await server.client.pttl(body)).toBeGreaterThan(await server.client.pttl(once))
  await runtime.dispose()
})
