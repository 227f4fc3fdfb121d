import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import type { LocalConnection } from "#application/local-connections.ts"
import { Engine, type Publish } from "#application/ports/engine.ts"
import type { Services } from "#application/services.ts"
import { type CloseCommand, closeConnection } from "#application/use-cases/close-connection.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { memoryNode } from "./node-fixture.ts"
import { type OpenedClient, openClient } from "./opened-client.ts"

export const A = "a" as RoomName
export const B = "b" as RoomName
export const GRACE_MS = 5_000
export const away = Effect.fail(new Refusal("engine_unavailable", "away"))
export const rules = compileRoomRules({
  rooms: [{ match: "*", join: "anyone", publish: "members", presence: true, history: { size: 10, ttlMs: 3_600_000 } }],
  users: { history: undefined },
  everybody: { history: undefined },
})

/** What presence says, in the order said, with `then` done after each word. */
export const listening = Effect.gen(function* () {
  const engine = yield* Engine
  const words: string[] = []
  let then: Effect.Effect<void> = Effect.void
  const publish = (what: Publish) =>
    Effect.tap(engine.publish(what), () => {
      if (!what.message.event.startsWith("room:")) return Effect.void
      words.push(`${what.message.event} ${what.message.rooms.join()}`)
      return then
    })
  return {
    words,
    engine: { ...engine, publish },
    afterEach: (work: Effect.Effect<void>) => {
      then = work
    },
  }
})

export const close = ({ connection }: OpenedClient, outcome: CloseCommand["outcome"], reason: string = outcome) =>
  closeConnection({ connection, reason, outcome })

export const pass = (ms: number) => Effect.andThen(TestClock.adjust(ms), tendDepartures())

/** Opens as the transport does: what fails once it is tracked is closed. */
export const openOrClose = (id: string, earlier?: OpenedClient, grants: readonly string[] = []) =>
  Effect.suspend(() => {
    let tracked: LocalConnection | undefined
    const opened = (connection: LocalConnection): void => {
      tracked = connection
    }
    return openClient(id, { opened, grants, ...(earlier && { earlier }) }).pipe(
      Effect.tapError(() =>
        tracked === undefined
          ? Effect.void
          : closeConnection({ connection: tracked, reason: "refused", outcome: "kept" }),
      ),
    )
  })

export const test = (
  name: string,
  work: Effect.Effect<void, unknown, Services>,
  options: Parameters<typeof memoryNode>[0] = {},
): void => it.effect(name, () => Effect.provide(work, memoryNode({ settings: { rules }, ...options })))
