import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Metrics } from "#application/ports/metrics.ts"
import { EXPELLED_MARGIN_MS, SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { RoomName } from "#domain/room.ts"
import { type Entry, type Session, withConnectionId } from "#domain/session.ts"
import { MemoryExpulsions } from "./memory-expulsions.ts"
import { MemoryStore } from "./memory-store.ts"

interface Stored {
  session: Session & { readonly rooms: Map<RoomName, Entry> }
  droppedAt: number | undefined
}

export const memorySessionStore: Layer.Layer<SessionStore, never, MemoryStore | Metrics | Settings> = Layer.effect(
  SessionStore,
  Effect.gen(function* () {
    const { state, bounds } = yield* MemoryStore
    const { recovery } = yield* Settings
    const metrics = yield* Metrics
    const all = new Map<string, Stored>()
    /** In the order of their drops, so that the first one is the first to go. */
    const dropped = new Set<string>()
    const expulsions = new MemoryExpulsions({
      keptMs: recovery.windowMs + EXPELLED_MARGIN_MS,
      most: bounds.maxExpulsions,
      nowMs: state.nowMs,
      limitHit: metrics.limitHit,
    })

    const forget = (id: string): void => {
      all.delete(id)
      dropped.delete(id)
    }
    const expire = (): void => {
      const oldest = state.nowMs() - recovery.windowMs
      for (const id of dropped) {
        const at = all.get(id)?.droppedAt
        if (at !== undefined && at >= oldest) return
        forget(id)
      }
    }
    const owned = (id: string, owner: number): Stored | undefined => {
      const stored = all.get(id)
      return stored?.session.owner === owner ? stored : undefined
    }
    const write = (
      id: string,
      owner: number,
      change: (stored: Stored) => void,
      connectionId?: string,
    ): Effect.Effect<boolean> =>
      Effect.sync(() => {
        const stored = owned(id, owner)
        if (stored === undefined) return false
        if (connectionId !== undefined && stored.session.connectionIds.at(-1) !== connectionId) return false
        change(stored)
        return true
      })

    metrics.observe("sessions", () => all.size)
    yield* Effect.sync(expire).pipe(Effect.repeat(Schedule.spaced("10 seconds")), Effect.forkScoped)

    return {
      open: (session) =>
        Effect.sync(() => {
          all.set(session.id, { session: { ...session, rooms: new Map(session.rooms) }, droppedAt: undefined })
        }),
      read: (id) =>
        Effect.sync(() => {
          expire()
          const stored = all.get(id)
          return stored === undefined
            ? undefined
            : {
                session: { ...stored.session, rooms: new Map(stored.session.rooms) },
                droppedAt: stored.droppedAt,
                now: state.nowMs(),
              }
        }),
      take: (read, by) =>
        Effect.sync(() => {
          const stored = owned(read.id, read.owner)
          if (stored === undefined || stored.session.userId !== read.userId) return undefined
          stored.session = {
            ...stored.session,
            owner: read.owner + 1,
            node: by.node,
            connectionIds: withConnectionId(stored.session.connectionIds, by.connectionId),
          }
          stored.droppedAt = undefined
          dropped.delete(read.id)
          const taken: Session = { ...stored.session, rooms: new Map(stored.session.rooms) }
          state.events?.taken(taken.id, taken.owner)
          return taken
        }),
      join: (id, owner, room, entry) => write(id, owner, ({ session }) => session.rooms.set(room, entry)),
      leave: (id, owner, room) => write(id, owner, ({ session }) => session.rooms.delete(room)),
      renew: (id, owner) =>
        Effect.sync(() => (owned(id, owner) !== undefined ? "renewed" : all.has(id) ? "taken" : "gone")),
      drop: (id, owner, connectionId) => {
        const dropNow = (stored: Stored): void => {
          stored.droppedAt = state.nowMs()
          dropped.delete(id)
          dropped.add(id)
          const [first] = dropped
          if (dropped.size > bounds.maxDroppedSessions && first !== undefined) {
            metrics.limitHit("dropped_sessions")
            forget(first)
          }
        }
        return write(id, owner, dropNow, connectionId)
      },
      end: (id, owner, connectionId) =>
        Effect.suspend(() => (all.has(id) ? write(id, owner, () => forget(id), connectionId) : Effect.succeed(true))),
      expel: (userId, room, at) => Effect.sync(() => expulsions.add(userId, room, at)),
      expelledAt: (userId, rooms) => Effect.sync(() => expulsions.among(userId, rooms)),
    }
  }),
)
