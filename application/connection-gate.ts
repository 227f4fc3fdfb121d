import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { CLOSINGS } from "#domain/closing.ts"
import { isOwed } from "#domain/connection.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { Gate, type Publication } from "#domain/gate.ts"
import { GATE_MESSAGES } from "#domain/limits.ts"
import { isExpired } from "#domain/message.ts"
import { formatPosition, type Offset } from "#domain/offset.ts"
import type { LocalConnection } from "./local-connections.ts"
import { LocalRooms } from "./local-rooms.ts"
import { readMerged } from "./log-reader.ts"
import { outgoingOf } from "./outgoing.ts"
import { Engine } from "./ports/engine.ts"
import type { Cursor, MessageLog } from "./ports/message-log.ts"
import { Metrics } from "./ports/metrics.ts"
import { Settings } from "./ports/settings.ts"

/** What writing needs, looked up once. */
interface Ways {
  readonly engine: Engine["Service"]
  readonly rooms: LocalRooms["Service"]
  readonly metrics: Metrics["Service"]
}

type GatePorts = Engine | LocalRooms | MessageLog | Metrics | Settings

/** Half of the outgoing buffer, so that what a gate lets go at once never makes a slow consumer of its client. */
const newGate = (bufferBytes: number): Gate =>
  new Gate(GATE_MESSAGES, bufferBytes === 0 ? Number.POSITIVE_INFINITY : bufferBytes / 2)

/** A connection begins behind its gate, its floor what its client has; `openGate` ends it. */
export const beginBehindGate = Effect.fnUntraced(function* (
  connection: LocalConnection,
): Effect.fn.Return<void, never, Settings> {
  const { limits } = yield* Settings
  connection.gateHolds++
  connection.gate = newGate(limits.bufferBytes)
})

/** From here on the connection's live messages wait. Each call is to be followed by one `openGate`. */
export const closeGate = Effect.fnUntraced(function* (
  connection: LocalConnection,
): Effect.fn.Return<void, never, Engine | Settings> {
  const engine = yield* Engine
  const { limits } = yield* Settings
  connection.gateHolds++
  connection.closeGate(() => newGate(limits.bufferBytes), engine.workedOff)
})

/** Writes a publication behind the gate, with the position that the connection itself has come to. */
const writeBehindGate = (
  connection: LocalConnection,
  publication: Publication,
  { engine, metrics, rooms }: Ways,
  nowMs: number,
): boolean => {
  const { message, offset, partition } = publication
  const logged = !message.volatile && rooms.isLogged(publication.room)
  if (!isOwed(connection, publication, logged, rooms.isLogged)) return false
  connection.remember(message)
  metrics.messageDelivered(1, message.data.length)
  if (!logged) {
    connection.link.send(outgoingOf(publication, undefined))
    return true
  }
  connection.floor[partition] = offset
  connection.positionSentAt = nowMs
  const position = formatPosition(engine.epoch(), connection.floor)
  connection.link.send(outgoingOf(publication, { epoch: engine.epochOf(partition), position }))
  return true
}

/** Where to read on in each logged room, and the clock up to which: a join is done before both, or begins after them. */
const replayOf = Effect.fnUntraced(function* (
  connection: LocalConnection,
  partition: number,
): Effect.fn.Return<
  { readonly cursors: readonly Cursor[]; readonly upTo: Offset } | undefined,
  Refused<"engine_unavailable">,
  Engine | LocalRooms
> {
  const engine = yield* Engine
  const rooms = yield* LocalRooms
  const floor = connection.floor[partition] ?? 0
  const cursors = [...connection.rooms]
    .filter(([room]) => engine.partitionOf(room) === partition && rooms.isLogged(room))
    .map(([room, { at }]) => ({ room, after: Math.max(at, floor) }))
  return cursors.length === 0 ? undefined : { cursors, upTo: yield* engine.clock(partition) }
})

/**
 * Sends what the connection's logged rooms hold after its floor, in offset order, in pages that wait for the client to
 * take them. Afterwards the floor is the clock of the read: everything newer waits in the gate.
 */
export const replay = Effect.fnUntraced(function* (
  connection: LocalConnection,
): Effect.fn.Return<void, Refused<"engine_unavailable" | "slow_consumer">, GatePorts> {
  const ways: Ways = { engine: yield* Engine, rooms: yield* LocalRooms, metrics: yield* Metrics }
  const { engine, metrics } = ways
  let replayed = 0
  for (let partition = 0; partition < engine.partitions; partition++) {
    const wanted = yield* connection.inTurn(replayOf(connection, partition))
    if (wanted === undefined) continue
    yield* readMerged(partition, wanted.cursors, wanted.upTo, ({ holes, publications }) =>
      Effect.gen(function* () {
        if (holes.length > 0) {
          connection.link.close(CLOSINGS.historyLost)
          return yield* Effect.fail(new Refusal("slow_consumer", "messages were trimmed before they could be replayed"))
        }
        const now = yield* Clock.currentTimeMillis
        for (const publication of publications) {
          if (isExpired(publication.message, now)) continue
          if (writeBehindGate(connection, publication, ways, now)) replayed++
        }
        yield* connection.link.drained()
      }),
    )
    connection.floor[partition] = wanted.upTo
  }
  metrics.replayed(replayed)
})

/**
 * Looks whether the gate may open, and opens it, in one turn: a fiber may be broken off between any two of its steps.
 * `overflowed`: what it held is to be read from the log first; else nobody opens it any more.
 */
const letGo = (connection: LocalConnection, ways: Ways, nowMs: number): "overflowed" | "done" => {
  const { gate } = connection
  if (gate !== null && connection.gateHolds === 0 && !connection.closed) {
    if (gate.overflowed) {
      gate.restart()
      return "overflowed"
    }
    for (const publication of gate.release())
      if (!isExpired(publication.message, nowMs)) writeBehindGate(connection, publication, ways, nowMs)
    connection.gate = null
  }
  connection.opening = false
  return "done"
}

/**
 * Undoes one `closeGate`; the last one lets what waited go, after what overflowed was read from the log again. Only one
 * fiber at a time opens a gate; whoever closes it meanwhile opens it later.
 */
export const openGate = Effect.fnUntraced(function* (
  connection: LocalConnection,
): Effect.fn.Return<void, Refused<"engine_unavailable" | "slow_consumer">, GatePorts> {
  const metrics = yield* Metrics
  const ways: Ways = { engine: yield* Engine, rooms: yield* LocalRooms, metrics }
  const clock = yield* Clock.Clock
  connection.gateHolds--
  if (connection.opening) return
  connection.opening = true
  const open = Effect.gen(function* () {
    while (letGo(connection, ways, clock.currentTimeMillisUnsafe()) === "overflowed") {
      metrics.limitHit("gate")
      yield* replay(connection)
    }
  })
  yield* Effect.onError(open, () =>
    Effect.sync(() => {
      connection.opening = false
    }),
  )
})

/** Opens the gate; where that cannot be done whole, the engine connection is closed and the client recovers. */
export const openGateOrClose = (connection: LocalConnection): Effect.Effect<void, never, GatePorts> =>
  Effect.catch(openGate(connection), (refusal) =>
    Effect.sync(() =>
      connection.link.close(refusal._tag === "slow_consumer" ? CLOSINGS.slowConsumer : CLOSINGS.engineUnavailable),
    ),
  )
