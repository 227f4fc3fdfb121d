import { TokenBucket } from "#domain/limits.ts"
import { isMessagePack } from "./msgpack-shape.ts"

/** Stock servers' `RequestType`, those that ask who is here. */
const SOCKETS = 0
const REMOTE_FETCH = 5
/** Who is here is answered for so many connections at once, and so often; else as if nobody were here. */
export const MAX_LISTED = 1_000
const LOOK_UPS_PER_SECOND = 100
/** A room that nobody is in. */
const NOWHERE = [""]

const BRACE = 0x7b

export interface DoorkeeperOptions {
  /** Bytes of one message. */
  readonly largest: number
  /** How many connections a look-up would tell of; no rooms: everybody. */
  readonly count: (rooms: readonly unknown[]) => number
  readonly nowMs: () => number
  readonly limitHit: (limit: string) => void
}

/** Why a message does not get in. */
export class NotLetIn extends Error {}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

/** To the stock adapter a target without rooms, or whose rooms are no list, is everybody. */
const isTarget = (opts: unknown): boolean => {
  const except = field(opts, "except")
  return Array.isArray(field(opts, "rooms")) && (except === undefined || Array.isArray(except))
}

/** Its own error would quote what it could not read. */
const parse = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    throw new NotLetIn("is no JSON")
  }
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** Looks at what comes over Redis before the stock adapter does, which believes what it reads. */
export class Doorkeeper {
  private readonly bucket: TokenBucket
  private readonly options: DoorkeeperOptions

  constructor(options: DoorkeeperOptions) {
    this.options = options
    this.bucket = new TokenBucket(LOOK_UPS_PER_SECOND, LOOK_UPS_PER_SECOND, options.nowMs())
  }

  emit(bytes: Buffer): Buffer {
    this.checkSize(bytes)
    if (!isMessagePack(bytes)) throw new NotLetIn("is no MessagePack")
    return bytes
  }

  /** As it came, or a look-up in its place that is answered with nobody. */
  request(bytes: Buffer): Buffer {
    if (bytes[0] !== BRACE) return this.emit(bytes)
    this.checkSize(bytes)
    const request = parse(bytes)
    const type = field(request, "type")
    const opts = field(request, "opts")
    if (opts !== undefined && !isTarget(opts)) throw new NotLetIn("has a target that is none")
    if (type !== SOCKETS && type !== REMOTE_FETCH) return bytes
    if (this.mayList(listOf(field(type === SOCKETS ? request : opts, "rooms")))) return bytes
    this.options.limitHit("peer_look_ups")
    const none = { ...Object(request), rooms: NOWHERE, opts: { rooms: NOWHERE, except: [] } }
    return Buffer.from(JSON.stringify(none))
  }

  private mayList(rooms: readonly unknown[]): boolean {
    return this.options.count(rooms) <= MAX_LISTED && this.bucket.take(this.options.nowMs()) === 0
  }

  private checkSize({ length }: Buffer): void {
    if (length > this.options.largest) throw new NotLetIn(`has at most ${this.options.largest} bytes, found ${length}`)
  }
}
