import type { LocalRooms } from "#application/local-rooms.ts"
import { outgoingOf } from "#application/outgoing.ts"
import type { Engine } from "#application/ports/engine.ts"
import type { Outgoing } from "#application/ports/link.ts"
import type { Metrics } from "#application/ports/metrics.ts"
import { isOwed } from "#domain/connection.ts"
import type { Publication } from "#domain/gate.ts"
import { formatPosition, type Offset } from "#domain/offset.ts"

const isAhead = (floor: readonly Offset[], workedOff: readonly Offset[]): boolean => {
  for (let i = 0; i < floor.length; i++) if ((floor[i] ?? 0) > (workedOff[i] ?? 0)) return true
  return false
}

/**
 * Hands a publication to the room's members on this node: the hot path, plain code, one `Outgoing` for all of them. Who
 * is behind its gate has it held; who was sent something newer in another partition gets a position of its own.
 */
export const deliverMessage = (
  engine: Engine["Service"],
  rooms: LocalRooms["Service"],
  metrics: Metrics["Service"],
  nowMs: () => number,
): ((publication: Publication) => void) => {
  const { isLogged } = rooms
  const { workedOff } = engine
  return (publication) => {
    const room = rooms.byName.get(publication.room)
    if (room === undefined || room.members.size === 0) return
    const { message, partition } = publication
    const logged = room.logged && !message.volatile
    const now = nowMs()
    let shared: Outgoing | undefined
    let sent = 0
    for (const connection of room.members) {
      if (connection.gate !== null) {
        connection.gate.hold(publication)
        continue
      }
      if (!isOwed(connection, publication, logged, isLogged)) continue
      connection.remember(message)
      if (logged) {
        connection.positionSentAt = now
        if (isAhead(connection.floor, workedOff)) {
          const position = formatPosition(engine.epoch(), connection.sentUpTo(workedOff))
          connection.link.send(outgoingOf(publication, { epoch: engine.epochOf(partition), position }))
          sent++
          continue
        }
      }
      shared ??= outgoingOf(
        publication,
        logged ? { epoch: engine.epochOf(partition), position: formatPosition(engine.epoch(), workedOff) } : undefined,
      )
      connection.link.send(shared)
      sent++
    }
    if (sent > 0) {
      metrics.messageDelivered(sent, message.data.length)
      metrics.publishToSocket(Math.max(0, now - message.ts) / 1000)
    }
  }
}
