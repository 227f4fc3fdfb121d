import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { SessionStore } from "#application/ports/session-store.ts"
import { renewSessions } from "#application/use-cases/renew-sessions.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { connect, memoryNode, SESSION_ID } from "./node-fixture.ts"

describe("a session that is renewed", () => {
  it.effect("lives on; its client is sent away where another has it, and told to come again where nobody has", () =>
    Effect.gen(function* () {
      const sessions = yield* SessionStore
      const ann = yield* connect({ id: "a1", session: true })
      yield* connect({ id: "b1", userId: "bob" })
      yield* renewSessions()
      assert.deepStrictEqual(ann.closings, [])

      const stored = yield* sessions.read(SESSION_ID)
      assert.isDefined(stored)
      if (stored !== undefined) yield* sessions.take(stored.session, { node: "b", connectionId: "a2" })
      yield* renewSessions()
      assert.deepStrictEqual(ann.closings, [CLOSINGS.sessionTaken])

      const again = yield* connect({ id: "a3", session: true })
      yield* sessions.end(SESSION_ID, 1, "a3")
      yield* renewSessions()
      assert.deepStrictEqual(again.closings, [CLOSINGS.newEpoch])
    }).pipe(Effect.provide(memoryNode())),
  )
})
