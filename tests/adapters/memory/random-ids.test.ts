import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomIds } from "#adapters/memory/random-ids.ts"
import { Ids } from "#application/ports/ids.ts"
import { nameFault } from "#domain/name.ts"
import { isSessionId } from "#domain/session.ts"

describe("random ids", () => {
  it.live("are of the forms that the domain asks for, and never the same twice", () =>
    Effect.gen(function* () {
      const ids = yield* Ids
      const sessions = Array.from({ length: 1_000 }, () => ids.session())
      const messages = Array.from({ length: 1_000 }, () => ids.message())
      const anonymous = Array.from({ length: 1_000 }, () => ids.anonymous())
      expect(sessions.filter((id) => !isSessionId(id))).toEqual([])
      expect(messages.filter((id) => !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(id))).toEqual([])
      expect(anonymous.filter((id) => !/^[\w-]{16}$/.test(id) || nameFault(id, "user") !== undefined)).toEqual([])
      expect(new Set([...sessions, ...messages, ...anonymous]).size).toBe(3_000)
    }).pipe(Effect.provide(randomIds)),
  )
})
