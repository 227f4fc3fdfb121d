import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import { type NodeAnswer, type NodeCommand, NodeCommands } from "#application/ports/node-commands.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"

const room = (name: string): RoomName => name as RoomName
const JOIN: NodeCommand = { kind: "join", connectionId: "c1", room: room("a") }
const DONE: NodeAnswer = { kind: "done", found: true }

const EXCHANGES: readonly (readonly [NodeCommand, NodeAnswer])[] = [
  [JOIN, DONE],
  [
    { kind: "leave", connectionId: "c1", room: room("a") },
    { kind: "done", found: false },
  ],
  [{ kind: "disconnect", connectionId: "c1", reason: "revoked" }, DONE],
  [
    { kind: "revoke", revocation: { userId: "ana", issuedBefore: 1_000 } },
    { kind: "closed", count: 2 },
  ],
  [
    { kind: "revoke", revocation: { tokenId: "t1", expiresAt: 2_000 } },
    { kind: "closed", count: 0 },
  ],
  [
    {
      kind: "ask",
      connectionIds: ["c1", "c2", "c3"],
      timeoutMs: 1_000,
      message: {
        id: "m1",
        event: "are you there?",
        data: '{"é":[1,null]}',
        ts: 1_700_000_000_000,
        sender: "ana",
        rooms: [room("a"), room("$user:ben")],
        except: { rooms: [], users: ["eve"], connections: ["c9"] },
        volatile: false,
        expiresAt: 1_700_000_001_000,
      },
    },
    {
      kind: "answers",
      responses: [{ connectionId: "c1", userId: "ben", data: { yes: [true, null, "é"] } }],
      excepted: ["c3"],
    },
  ],
]

/** What every NodeCommands does; `self` is the node that the layer is of. */
export const nodeCommandsContract = (name: string, layer: Layer.Layer<NodeCommands>, self: string): void => {
  const test = <E>(behaviour: string, body: (commands: NodeCommands["Service"]) => Effect.Effect<void, E>): void =>
    it.live(behaviour, () => Effect.flatMap(NodeCommands, body).pipe(Effect.provide(layer)))

  describe(`${name}: commanding nodes`, () => {
    test("runs each command as it was given and answers with its answer", (commands) =>
      Effect.gen(function* () {
        for (const [command, answer] of EXCHANGES) {
          const ran: NodeCommand[] = []
          commands.serve((given) => {
            ran.push(given)
            return Effect.succeed(answer)
          })
          expect(yield* commands.send(self, command)).toEqual(answer)
          expect(ran).toEqual([command])
        }
      }))

    test("passes a refusal on", (commands) =>
      Effect.gen(function* () {
        commands.serve(() => Effect.fail(new Refusal("too_many_rooms", "at most 100 rooms, found 101")))
        const refused = yield* Effect.flip(commands.send(self, JOIN))
        expect(refused._tag).toBe("too_many_rooms")
        expect(refused.message).toBe("at most 100 rooms, found 101")
      }))

    test("answers when the command is done, and lets none wait for another", (commands) =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const begun = yield* Deferred.make<void>()
        commands.serve((given) =>
          given.kind === "join"
            ? Deferred.succeed(begun, undefined).pipe(Effect.andThen(Deferred.await(gate)), Effect.as(DONE))
            : Effect.succeed({ kind: "done", found: false }),
        )
        const slow = yield* Effect.forkChild(commands.send(self, JOIN))
        yield* Deferred.await(begun)
        const quick = yield* commands.send(self, { kind: "leave", connectionId: "c2", room: room("a") })
        expect(quick).toEqual({ kind: "done", found: false })
        expect(slow.pollUnsafe()).toBeUndefined()
        yield* Deferred.succeed(gate, undefined)
        expect(yield* Fiber.join(slow)).toEqual(DONE)
      }))

    test("knows itself among the living nodes", (commands) =>
      Effect.gen(function* () {
        expect((yield* commands.nodes()).filter((node) => node === self)).toEqual([self])
      }))

    test("says that the engine did not answer where there is no such node", (commands) =>
      Effect.gen(function* () {
        let ran = false
        commands.serve(() => {
          ran = true
          return Effect.succeed(DONE)
        })
        const refused = yield* Effect.flip(commands.send("no-such-node", JOIN))
        expect(refused._tag).toBe("engine_unavailable")
        expect(ran).toBe(false)
      }))
  })
}
