import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe } from "vitest"
import { engineEvents } from "#application/engine-events.ts"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { Revocations } from "#application/ports/revocations.ts"
import type { Services } from "#application/services.ts"
import { catchUpNode } from "#application/use-cases/catch-up-node.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import { connect } from "./node-fixture.ts"
import { A, B, GRACE_MS, listening, test } from "./race-fixture.ts"

/** The directory's answers to what comes while the node is taken for dead wait until they are let go. */
const slowDirectory = Effect.gen(function* () {
  const directory = yield* ConnectionDirectory
  const go = yield* Deferred.make<void>()
  const late = <A, E, R>(answer: Effect.Effect<A, E, R>) => Effect.tap(answer, () => Deferred.await(go))
  return {
    directory,
    letGo: Deferred.succeed(go, undefined),
    slow: {
      ...directory,
      join: (...args: Parameters<typeof directory.join>) => late(directory.join(...args)),
      leave: (...args: Parameters<typeof directory.leave>) => late(directory.leave(...args)),
    },
  }
})

const roomsOf = (id: string) =>
  Effect.flatMap(ConnectionDirectory, (directory) =>
    Effect.map(directory.connection(id), (entry) => [...(entry?.rooms ?? [])].sort()),
  )

describe("a node that others took for dead registers again", () => {
  test(
    "a connection that is joining a room meanwhile, with that room",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "c1", rooms: ["a"] })
      const { directory, letGo, slow } = yield* slowDirectory
      yield* directory.remove("c1")
      const joining = yield* Effect.forkChild(
        Effect.provideService(enterRoom(connection, B, "rule"), ConnectionDirectory, slow),
        { startImmediately: true },
      )
      yield* Effect.yieldNow
      const again = yield* Effect.forkChild(catchUpNode(true), { startImmediately: true })
      yield* Effect.yieldNow
      yield* letGo
      yield* Fiber.join(joining)
      yield* Fiber.join(again)
      assert.deepStrictEqual(yield* roomsOf("c1"), [A, B])
    }),
  )

  test(
    "a connection that is leaving a room meanwhile, without that room",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "c1", rooms: ["a", "b"] })
      const { directory, letGo, slow } = yield* slowDirectory
      yield* directory.remove("c1")
      const leaving = yield* Effect.forkChild(
        Effect.provideService(exitRoom(connection, B), ConnectionDirectory, slow),
        { startImmediately: true },
      )
      yield* Effect.yieldNow
      const again = yield* Effect.forkChild(catchUpNode(true), { startImmediately: true })
      yield* Effect.yieldNow
      yield* letGo
      yield* Fiber.join(leaving)
      yield* Fiber.join(again)
      assert.deepStrictEqual(yield* roomsOf("c1"), [A])
    }),
  )

  test(
    "a connection that was registered and is not let in yet",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "c1", rooms: ["a"] })
      connection.admitted = false
      const directory = yield* ConnectionDirectory
      yield* directory.remove("c1")
      yield* catchUpNode(true)
      assert.deepStrictEqual(yield* roomsOf("c1"), [A])
    }),
  )

  test(
    "a connection that entered a room while it was taken for gone, and tells each of its rooms once that it is there",
    Effect.gen(function* () {
      const { engine, words } = yield* listening
      yield* Effect.gen(function* () {
        const directory = yield* ConnectionDirectory
        const { connection: departing } = yield* connect({ id: "c1", rooms: ["a"] })
        yield* directory.depart("c1", GRACE_MS)
        yield* enterRoom(departing, B, "rule")
        const { connection: swept } = yield* connect({ id: "c2", rooms: ["a"] })
        yield* directory.remove("c2")
        yield* enterRoom(swept, B, "rule")
        yield* catchUpNode(true)
        assert.deepStrictEqual(words.toSorted(), ["room:joined a", "room:joined b", "room:joined b"])
      }).pipe(Effect.provideService(Engine, engine))
    }),
  )
})

describe("a node that heard nothing for a while", () => {
  test(
    "closes whose token was revoked meanwhile, however many revocations there are",
    Effect.gen(function* () {
      const { closings } = yield* connect({ id: "c1", claims: { tokenId: "t1500" } })
      const other = yield* connect({ id: "c2", claims: { tokenId: "t2000" } })
      const revocations = yield* Revocations
      for (let i = 0; i <= 1_500; i++) yield* revocations.add({ tokenId: `t${i}`, expiresAt: undefined })
      yield* catchUpNode(false)
      assert.deepStrictEqual(closings, [CLOSINGS.revoked])
      assert.deepStrictEqual(other.closings, [])
    }),
  )

  test(
    "goes on where a connection goes away while it is registered again",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "c1", rooms: ["a"] })
      const directory = yield* ConnectionDirectory
      yield* directory.remove("c1")
      const goingMeanwhile = {
        ...directory,
        register: (...args: Parameters<typeof directory.register>) =>
          Effect.tap(directory.register(...args), () =>
            Effect.sync(() => connection.link.close(CLOSINGS.disconnected)),
          ),
      }
      yield* catchUpNode(true).pipe(Effect.provideService(ConnectionDirectory, goingMeanwhile))
      assert.strictEqual(yield* directory.countOf("ann"), 0)
    }),
  )

  test(
    "has not caught up while the store is away, and has once it is there again",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const revocations = yield* Revocations
      const away = Context.add(context, Revocations, {
        ...revocations,
        list: () => Effect.fail(new Refusal("engine_unavailable", "away")),
      })
      const missed = (services: typeof context) => Effect.promise(() => engineEvents(services, () => 0).missed(false))
      assert.deepStrictEqual([yield* missed(away), yield* missed(context)], [false, true])
    }),
  )
})
