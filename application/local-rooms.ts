import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Refused } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import type { LocalConnection } from "./local-connections.ts"
import { Engine } from "./ports/engine.ts"
import { Settings } from "./ports/settings.ts"

/** A room that somebody on this node is in or about to enter. */
export interface LocalRoom {
  readonly name: RoomName
  readonly partition: number
  readonly logged: boolean
  readonly members: Set<LocalConnection>
  /** Members and joiners; the last one gives the subscription up. */
  holds: number
}

/** The rooms of this node. A room is subscribed to while it is held. */
export class LocalRooms extends Context.Service<
  LocalRooms,
  {
    readonly byName: ReadonlyMap<RoomName, LocalRoom>
    readonly isLogged: (room: RoomName) => boolean
    /** Succeeds once the room's subscription is live; every success is to be released once. */
    readonly hold: (name: RoomName) => Effect.Effect<LocalRoom, Refused<"engine_unavailable">>
    readonly release: (room: LocalRoom) => void
  }
>()("roomcast/application/local-rooms") {
  static readonly layer: Layer.Layer<LocalRooms, never, Engine | Settings> = Layer.effect(
    LocalRooms,
    Effect.gen(function* () {
      const engine = yield* Engine
      const { rules } = yield* Settings
      const byName = new Map<RoomName, LocalRoom>()
      const opening = new Map<RoomName, Deferred.Deferred<void, Refused<"engine_unavailable">>>()

      /** Whoever wants the room from here on subscribes anew. */
      const giveUp = (room: LocalRoom): void => {
        if (byName.get(room.name) !== room) return
        byName.delete(room.name)
        engine.unsubscribe(room.name)
      }

      const release = (room: LocalRoom): void => {
        room.holds--
        if (room.holds === 0) giveUp(room)
      }

      const hold = Effect.fnUntraced(function* (name: RoomName) {
        const known = byName.get(name)
        if (known !== undefined) {
          known.holds++
          const pending = opening.get(name)
          if (pending !== undefined)
            yield* Deferred.await(pending).pipe(Effect.onError(() => Effect.sync(() => release(known))))
          return known
        }
        const mine: LocalRoom = {
          name,
          partition: engine.partitionOf(name),
          logged: rules.historyOf(name) !== undefined,
          members: new Set(),
          holds: 1,
        }
        const pending = Deferred.makeUnsafe<void, Refused<"engine_unavailable">>()
        byName.set(name, mine)
        opening.set(name, pending)
        // Others wait for it: the first one's end is not theirs.
        yield* engine.subscribe(name).pipe(
          Effect.onExit((exit) =>
            Effect.suspend(() => {
              opening.delete(name)
              if (exit._tag === "Failure") giveUp(mine)
              return Deferred.done(pending, exit)
            }),
          ),
          Effect.uninterruptible,
        )
        return mine
      })

      return {
        byName,
        isLogged: (name) => byName.get(name)?.logged ?? rules.historyOf(name) !== undefined,
        hold,
        release,
      }
    }),
  )
}
