import { eventRefusal } from "#application/compose-message.ts"
import { outgoingOf } from "#application/outgoing.ts"
import type { Outgoing } from "#application/ports/link.ts"
import { Refusal } from "#domain/errors.ts"
import type { Publication } from "#domain/gate.ts"
import { invalidRequest } from "#domain/invalid-request.ts"
import type { Message } from "#domain/message.ts"
import { utf8Length } from "#domain/name.ts"
import { encodePayload } from "#domain/payload.ts"
import { connectionRoom, EVERYBODY } from "#domain/room.ts"

/** Socket.IO's packet types: the two that carry an event. */
const EVENT = 2
const BINARY_EVENT = 5
const MAX_ARGUMENTS = 100
const MAX_DEPTH = 64
/** Later than any join: it is none of a log's. */
const NOW_OFFSET = Number.MAX_SAFE_INTEGER

export interface EmissionOptions {
  /** Of all arguments together, as JSON; 0: no limit. */
  readonly payloadBytes: number
  readonly id: () => string
  readonly nowMs: () => number
}

/** Why a packet of another program is not sent on. Thrown, for the stock adapter stands between. */
export class PacketRefused extends Error {
  constructor(event: unknown, { message }: Refusal) {
    super(typeof event === "string" ? `the event ${JSON.stringify(event.slice(0, 100))}: ${message}` : message)
  }
}

/** What a stock server's JSON would make of it: dates are text, what is undefined is left out. Anything else stays. */
const asJson = (value: unknown, depth = 1): unknown => {
  if (value instanceof Date) return value.toJSON()
  if (value === undefined || (typeof value === "number" && !Number.isFinite(value))) return null
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map((item) => asJson(item, depth + 1))
  if (Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, asJson(item, depth + 1)]])),
  )
}

/** Most data is plain, and is looked through once. */
const encodeArgument = (argument: unknown, payloadBytes: number): string | Refusal => {
  const text = encodePayload(argument, payloadBytes)
  return text instanceof Refusal ? encodePayload(asJson(argument), payloadBytes) : text
}

/** All of them, with commas between; none is null. */
const encodeArguments = (given: readonly unknown[], payloadBytes: number): string | Refusal => {
  if (given.length > MAX_ARGUMENTS)
    return invalidRequest([
      { pointer: "/packet/data", detail: `has at most ${MAX_ARGUMENTS} arguments, found ${given.length}` },
    ])
  const texts: string[] = []
  for (const argument of given.length === 0 ? [null] : given) {
    const text = encodeArgument(argument, payloadBytes)
    if (text instanceof Refusal) return text
    texts.push(text)
  }
  const all = texts.join()
  return payloadBytes > 0 && texts.length > 1 && utf8Length(all) > payloadBytes
    ? new Refusal("payload_too_large", `all arguments together have at most ${payloadBytes} bytes as JSON`)
    : all
}

const fieldsOf = (packet: unknown): { readonly type: unknown; readonly data: unknown } =>
  typeof packet === "object" && packet !== null
    ? { type: Reflect.get(packet, "type"), data: Reflect.get(packet, "data") }
    : { type: undefined, data: undefined }

/**
 * What another program emits, as our clients get it: its arguments, then a `meta`, so that it never ends in a string,
 * which a stock client would keep as its position. Made once for all receivers; without arguments the data is null.
 */
export class Emission {
  sent = 0
  readonly bytes: number
  readonly message: Message
  private shared: Outgoing | undefined

  constructor(packet: unknown, options: EmissionOptions) {
    const { data, type } = fieldsOf(packet)
    if ((type !== EVENT && type !== BINARY_EVENT) || !Array.isArray(data))
      throw new PacketRefused(undefined, invalidRequest([{ pointer: "/packet", detail: "is no event" }]))
    const [event, ...given]: unknown[] = data
    const badEvent = eventRefusal(event)
    if (badEvent !== undefined) throw new PacketRefused(event, badEvent)
    const text = encodeArguments(given, options.payloadBytes)
    if (text instanceof Refusal) throw new PacketRefused(event, text)
    this.bytes = text.length
    this.message = {
      id: options.id(),
      event: String(event),
      data: text,
      ts: options.nowMs(),
      sender: undefined,
      rooms: [EVERYBODY],
      except: undefined,
      volatile: false,
      expiresAt: undefined,
    }
  }

  /** The same object for every receiver. */
  outgoing(volatile: boolean): Outgoing {
    this.shared ??= outgoingOf(
      { room: EVERYBODY, partition: 0, offset: NOW_OFFSET, message: { ...this.message, volatile } },
      undefined,
    )
    return this.shared
  }

  /** To wait behind a connection's gate, before which `session:ready` comes: through its own room, which nothing logs. */
  publicationTo(connectionId: string, volatile: boolean): Publication {
    const message = { ...this.message, volatile }
    return { room: connectionRoom(connectionId), partition: 0, offset: NOW_OFFSET, message }
  }
}
