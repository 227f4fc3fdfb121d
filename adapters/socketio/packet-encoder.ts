import type { Outgoing } from "#application/ports/link.ts"

/** One packet as engine.io takes it: text for polling, and the finished frame for WebSocket. */
export interface EncodedPacket {
  readonly text: string
  /** engine.io writes to `compress`; one object serves all receivers. */
  readonly options: { compress: boolean; readonly wsPreEncodedFrame: readonly [Buffer] }
}

/** Socket.IO protocol 5: `2` is an event of the namespace `/`, then a JSON array. */
const encodeEvent = (event: string, args: string): string => `2[${JSON.stringify(event)}${args}]`

/**
 * A whole text frame as a server sends it, unmasked (RFC 6455 section 5.2), its payload an Engine.IO message: `4` and the
 * packet. Shared by all receivers.
 */
const frameOf = (text: string): Buffer => {
  const length = 1 + Buffer.byteLength(text)
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = 0x81
  if (header === 2) frame[1] = length
  else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame[header] = 0x34
  frame.write(text, header + 1)
  return frame
}

const encodePacket = (text: string): EncodedPacket => ({
  text,
  options: { compress: true, wsPreEncodedFrame: [frameOf(text)] },
})

/** Positions and ids are text that JSON leaves as it is. */
const trailing = (position: string | undefined): string => (position === undefined ? "" : `,"${position}"`)

/**
 * Encodes an `Outgoing` once for all who are sent the same object one after the other, as a fan-out does: the last one
 * is remembered, with and without `meta`.
 */
export class PacketEncoder {
  private last: Outgoing | undefined
  private full: EncodedPacket | undefined
  private bare: EncodedPacket | undefined

  encode(outgoing: Outgoing, meta: boolean): EncodedPacket {
    if (outgoing !== this.last) {
      this.last = outgoing
      this.full = undefined
      this.bare = undefined
    }
    if (meta) {
      this.full ??= encodePacket(argumentsOf(outgoing))
      return this.full
    }
    this.bare ??= encodePacket(encodeEvent(outgoing.event, `,${outgoing.data}`))
    return this.bare
  }
}

const argumentsOf = ({ data, event, meta, position }: Outgoing): string =>
  encodeEvent(event, `,${data},${meta}${trailing(position)}`)

/** The gateway's own event: data, and with a position `{}` and it. */
export const encodeOwn = (event: string, data: unknown, position: string | undefined): EncodedPacket =>
  encodePacket(
    encodeEvent(event, `,${JSON.stringify(data)}${position === undefined ? "" : `,{}${trailing(position)}`}`),
  )
