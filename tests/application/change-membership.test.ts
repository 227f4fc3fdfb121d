import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { LocalConnections } from "#application/local-connections.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { NodeCommand } from "#application/ports/node-commands.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Services } from "#application/services.ts"
import { changeMembership } from "#application/use-cases/change-membership.ts"
import { disconnectConnection } from "#application/use-cases/disconnect-connection.ts"
import { disconnectUser } from "#application/use-cases/disconnect-user.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { connect, memoryNode, type OtherNode } from "./node-fixture.ts"

const LOBBY = "lobby" as RoomName

/** Nodes that do as they are told, have lost the connection, or are away; and what they are told. */
const cluster = () => {
  const told: NodeCommand[] = []
  const answering =
    (found: boolean): OtherNode =>
    (command) =>
      Effect.sync(() => {
        told.push(command)
        return { kind: "done", found }
      })
  const others: Record<string, OtherNode> = {
    obedient: answering(true),
    forgetful: answering(false),
    away: () => Effect.fail(new Refusal("engine_unavailable", "away")),
  }
  return { told, others }
}

/** What is asked waits before it looks again. */
const patiently = <A, E, R>(asked: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(asked, { startImmediately: true })
    yield* TestClock.adjust(1_000)
    return yield* Fiber.join(fiber)
  })

describe("a membership that the backend changes", () => {
  it.effect("is changed for every connection of a user, on whatever node, and counted where it was done", () => {
    const { others, told } = cluster()
    return Effect.gen(function* () {
      const here = yield* connect({ id: "a1" })
      yield* connect({ id: "a2", node: "obedient" })
      yield* connect({ id: "a3", node: "forgetful" })
      yield* connect({ id: "b1", userId: "bob", node: "obedient" })
      const joined = yield* patiently(changeMembership({ change: "join", of: { userId: "ann" }, room: LOBBY }))
      assert.deepStrictEqual(joined, { room: LOBBY, connections: 2 })
      assert.isTrue(here.connection.rooms.has(LOBBY))
      assert.deepStrictEqual(
        told,
        ["a2", "a3"].map((connectionId) => ({ kind: "join", connectionId, room: LOBBY })),
      )
      const left = yield* patiently(changeMembership({ change: "leave", of: { userId: "ann" }, room: LOBBY }))
      assert.strictEqual(left.connections, 2)
      assert.isFalse(here.connection.rooms.has(LOBBY))
    }).pipe(Effect.provide(memoryNode({ others })))
  })

  it.effect("of a user who is offline is changed nowhere, and that is no error", () =>
    Effect.gen(function* () {
      const { connections } = yield* changeMembership({ change: "join", of: { userId: "nobody" }, room: LOBBY })
      assert.strictEqual(connections, 0)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("is written down before its connections are looked for: who comes later reads that it was taken out", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      const known: boolean[] = []
      const looked = (userId: string) =>
        Effect.tap(directory.connectionsOf(userId), () =>
          Effect.map(sessions.expelledAt(userId, [LOBBY]), (rooms) => known.push(rooms.has(LOBBY))),
        )
      const change = (what: "join" | "leave") =>
        Effect.provideService(
          changeMembership({ change: what, of: { userId: "ann" }, room: LOBBY }),
          ConnectionDirectory,
          { ...directory, connectionsOf: looked },
        )
      yield* change("join")
      yield* change("leave")
      assert.deepStrictEqual(known, [false, true])
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("of one connection is that one's alone, and of one that is nowhere, or gone by now, is not found", () => {
    const { others, told } = cluster()
    return Effect.gen(function* () {
      const first = yield* connect({ id: "a1" })
      const second = yield* connect({ id: "a2" })
      yield* connect({ id: "a3", node: "forgetful" })
      const change = (connectionId: string) => changeMembership({ change: "join", of: { connectionId }, room: LOBBY })
      assert.strictEqual((yield* change("a1")).connections, 1)
      assert.deepStrictEqual(
        [first, second].map(({ connection }) => connection.rooms.has(LOBBY)),
        [true, false],
      )
      assert.strictEqual((yield* Effect.flip(change("nowhere")))._tag, "not_found")
      assert.deepStrictEqual(told, [])
      assert.strictEqual((yield* Effect.flip(change("a3")))._tag, "not_found")
    }).pipe(Effect.provide(memoryNode({ others })))
  })

  it.effect("fails where a node does not answer", () => {
    const { others } = cluster()
    return Effect.gen(function* () {
      yield* connect({ id: "a1", node: "away" })
      const refusal = yield* Effect.flip(changeMembership({ change: "join", of: { userId: "ann" }, room: LOBBY }))
      assert.strictEqual(refusal._tag, "engine_unavailable")
    }).pipe(Effect.provide(memoryNode({ others })))
  })
})

/** A node that lost ann's connection of that id to a newer one, here, before it was told what to do. */
const loser = (id: string): { readonly others: Record<string, OtherNode>; take: Effect.Effect<void> } => {
  const race = { others: {}, take: Effect.void }
  const lost: OtherNode = () => Effect.as(race.take, { kind: "done", found: false })
  race.others = { [id]: lost }
  return race
}

const takenOver = (newer: string, older: string) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Services>()
    const directory = yield* ConnectionDirectory
    const take = Effect.gen(function* () {
      const { connection } = yield* connect({ id: newer, rooms: ["lobby"] })
      yield* directory.remove(older)
      return connection
    })
    return Effect.asVoid(Effect.orDie(Effect.provideContext(take, context)))
  })

describe("a user whose connection goes on as another one, on another node, while the backend commands it", () => {
  it.effect("has left the room, and is counted, when that is answered", () => {
    const race = loser("b")
    return Effect.gen(function* () {
      yield* connect({ id: "a1", node: "b", rooms: ["lobby"] })
      race.take = yield* takenOver("a2", "a1")
      const { connections } = yield* patiently(
        changeMembership({ change: "leave", of: { userId: "ann" }, room: LOBBY }),
      )
      const { byId } = yield* LocalConnections
      assert.deepStrictEqual([connections, byId.get("a2")?.rooms.has(LOBBY)], [1, false])
    }).pipe(Effect.provide(memoryNode({ others: race.others })))
  })

  it.effect("is looked for again where the newer one is not registered yet", () => {
    const race = loser("b")
    return Effect.gen(function* () {
      yield* connect({ id: "a1", node: "b", rooms: ["lobby"] })
      const take = yield* takenOver("a2", "a1")
      // Whoever took the session is about to say so.
      race.take = Effect.asVoid(Effect.forkDetach(Effect.andThen(Effect.sleep(20), take), { startImmediately: true }))
      const { connections } = yield* patiently(
        changeMembership({ change: "leave", of: { userId: "ann" }, room: LOBBY }),
      )
      const { byId } = yield* LocalConnections
      assert.deepStrictEqual([connections, byId.get("a2")?.rooms.has(LOBBY)], [1, false])
    }).pipe(Effect.provide(memoryNode({ others: race.others })))
  })

  it.effect("is closed, and counted, when that is answered", () => {
    const race = loser("b")
    return Effect.gen(function* () {
      yield* connect({ id: "a1", node: "b", rooms: ["lobby"] })
      race.take = yield* takenOver("a2", "a1")
      const answer = yield* patiently(disconnectUser("ann"))
      const { byId } = yield* LocalConnections
      assert.deepStrictEqual([answer, byId.size], [{ disconnected: 1 }, 0])
    }).pipe(Effect.provide(memoryNode({ others: race.others })))
  })

  it.effect("and comes back faster than that again and again is no success", () => {
    let count = 0
    let comeBack: Effect.Effect<void> = Effect.void
    const others: Record<string, OtherNode> = {
      b: () =>
        Effect.as(
          Effect.suspend(() => comeBack),
          { kind: "done", found: false },
        ),
    }
    return Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const next = Effect.suspend(() => connect({ id: `a${++count}`, node: "b" }))
      comeBack = Effect.asVoid(Effect.orDie(Effect.provideContext(next, context)))
      yield* comeBack
      assert.strictEqual((yield* patiently(Effect.flip(disconnectUser("ann"))))._tag, "engine_unavailable")
      assert.isBelow(count, 10)
    }).pipe(Effect.provide(memoryNode({ others })))
  })
})

describe("a connection that the backend closes", () => {
  it.effect("is closed for good, on whatever node; one that is nowhere, or gone by now, is not found", () => {
    const { others, told } = cluster()
    return Effect.gen(function* () {
      const here = yield* connect({ id: "a1" })
      yield* connect({ id: "a2", node: "obedient" })
      yield* connect({ id: "a3", node: "forgetful" })
      yield* disconnectConnection("a1")
      assert.deepStrictEqual(here.closings, [CLOSINGS.disconnected])
      yield* disconnectConnection("a2")
      assert.deepStrictEqual(told, [{ kind: "disconnect", connectionId: "a2", reason: "disconnected" }])
      for (const id of ["a1", "a3", "nowhere"])
        assert.strictEqual((yield* Effect.flip(disconnectConnection(id)))._tag, "not_found")
    }).pipe(Effect.provide(memoryNode({ others })))
  })

  it.effect("with all of its user's is counted where it was closed", () => {
    const { others } = cluster()
    return Effect.gen(function* () {
      yield* connect({ id: "a1" })
      yield* connect({ id: "a2", node: "obedient" })
      yield* connect({ id: "a3", node: "forgetful" })
      assert.deepStrictEqual(yield* patiently(disconnectUser("ann")), { disconnected: 2 })
      assert.deepStrictEqual(yield* disconnectUser("nobody"), { disconnected: 0 })
    }).pipe(Effect.provide(memoryNode({ others })))
  })
})
