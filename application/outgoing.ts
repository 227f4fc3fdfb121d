import type { Publication } from "#domain/gate.ts"
import { formatOffset } from "#domain/offset.ts"
import { isGatewayRoom } from "#domain/room.ts"
import type { Outgoing } from "./ports/link.ts"

/** A publication as clients get it: `(data, meta)`, and where it is logged, its offset and a position. */
export const outgoingOf = (
  { message, offset, room }: Publication,
  logged: { readonly epoch: string; readonly position: string } | undefined,
): Outgoing => ({
  event: message.event,
  data: message.data,
  meta: JSON.stringify({
    id: message.id,
    room: isGatewayRoom(room) ? undefined : room,
    ts: message.ts,
    sender: message.sender,
    offset: logged === undefined ? undefined : formatOffset(logged.epoch, offset),
  }),
  position: logged?.position,
  volatile: message.volatile,
})
