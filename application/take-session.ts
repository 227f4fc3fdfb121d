import * as Effect from "effect/Effect"
import { Refusal, type Refused } from "#domain/errors.ts"
import { mayStay } from "#domain/grant.ts"
import { type Offset, parsePosition } from "#domain/offset.ts"
import { isBelievable, isWithinWindow } from "#domain/recovery.ts"
import { isGatewayRoom } from "#domain/room.ts"
import { isSessionId, type Session } from "#domain/session.ts"
import type { User } from "#domain/user.ts"
import { LocalConnections } from "./local-connections.ts"
import { Engine } from "./ports/engine.ts"
import { MessageLog } from "./ports/message-log.ts"
import { SessionStore } from "./ports/session-store.ts"
import { Settings } from "./ports/settings.ts"

interface Claim {
  readonly connectionId: string
  readonly sessionId: unknown
  readonly position: unknown
}

export interface TakenSession {
  readonly session: Session
  readonly floor: readonly Offset[]
}

const SURVEYED_ROOMS = 64

/**
 * Takes over the session that a client names, where everything that it missed can be given: it is this user's, within
 * the window, its position is of this epoch, its logs are whole from there and hold no more than a replay's most.
 * Undefined otherwise, and never a refusal: a stock client sends its old session for ever.
 */
export const takeSession = Effect.fnUntraced(function* (
  { connectionId, position: text, sessionId }: Claim,
  user: User,
): Effect.fn.Return<
  TakenSession | undefined,
  Refused<"engine_unavailable">,
  Engine | LocalConnections | MessageLog | SessionStore | Settings
> {
  const position = parsePosition(text)
  if (!isSessionId(sessionId) || position === undefined) return undefined
  const sessions = yield* SessionStore
  const stored = yield* sessions.read(sessionId)
  if (stored === undefined || stored.session.userId !== user.claims.userId) return undefined
  const engine = yield* Engine
  const { node, recovery, rules } = yield* Settings
  if (!isWithinWindow(stored.droppedAt, stored.now, recovery.windowMs)) return undefined
  if (!isBelievable(position, engine.workedOff, stored.now)) return undefined
  const log = yield* MessageLog
  const kept = [...stored.session.rooms].filter(
    ([room, { by }]) =>
      rules.historyOf(room) !== undefined && (isGatewayRoom(room) || mayStay(user, rules.ruleOf(room), room, by)),
  )
  let missed = 0
  for (let partition = 0; partition < engine.partitions; partition++) {
    const from = position.offsets[partition] ?? 0
    const cursors = kept
      .filter(([room]) => engine.partitionOf(room) === partition)
      .map(([room, { at }]) => ({ room, after: Math.max(at, from) }))
    for (let i = 0; i < cursors.length; i += SURVEYED_ROOMS) {
      const survey = yield* log.survey(partition, cursors.slice(i, i + SURVEYED_ROOMS), recovery.maxMessages)
      missed += survey.missed
      if (!survey.whole || missed > recovery.maxMessages) return undefined
    }
  }
  // After the reads: each of them may have met a new one.
  if (position.epoch !== engine.epoch()) return undefined
  if (!engine.isFresh()) return yield* Effect.fail(new Refusal("engine_unavailable", "the subscription is not fresh"))
  const { writeLater } = yield* LocalConnections
  // Without an answer it may be this connection's all the same.
  const mine = { id: sessionId, owner: stored.session.owner + 1 }
  const giveBack = Effect.sync(() => writeLater({ connectionId, session: mine, outcome: "kept" }))
  const session = yield* Effect.tapError(sessions.take(stored.session, { node, connectionId }), () => giveBack)
  if (session === undefined)
    return yield* Effect.fail(new Refusal("engine_unavailable", "the session was taken meanwhile"))
  if (position.epoch !== engine.epoch()) {
    yield* giveBack
    return yield* Effect.fail(new Refusal("engine_unavailable", "the store began anew"))
  }
  return { session, floor: position.offsets }
})
