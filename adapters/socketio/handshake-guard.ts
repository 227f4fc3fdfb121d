import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { type Code, ERRORS } from "#domain/errors.ts"
import { TokenBucket } from "#domain/limits.ts"
import { addressKey } from "./client-address.ts"

export interface GuardOptions {
  readonly addressOf: (request: IncomingMessage) => string
  /** Whether a browser's page from there may connect; a request without Origin passes. */
  readonly allowsOrigin: (origin: string) => boolean
  readonly connectionsPerNode: number
  readonly connectsPerSecondPerAddress: number
  readonly connections: () => number
  readonly draining: () => boolean
  readonly nowMs: () => number
  readonly refused: (code: Code) => void
  readonly limitHit: (limit: string) => void
}

interface Refused {
  readonly code: Code
  readonly detail: string
  readonly retryAfterMs: number | undefined
}

const MAX_ADDRESSES = 20_000
/** Of an origin that is said back. */
const MAX_ORIGIN = 200
const jitter = (ms: number): number => ms + Math.floor(Math.random() * ms)

/**
 * Decides about an Engine.IO handshake before engine.io sees it: by HTTP status, which a stock client takes as "try
 * again", unlike a refused namespace.
 */
export class HandshakeGuard {
  private readonly buckets = new Map<string, TokenBucket>()
  private readonly options: GuardOptions

  constructor(options: GuardOptions) {
    this.options = options
  }

  get addresses(): number {
    return this.buckets.size
  }

  /** Undefined: let it in. */
  check(request: IncomingMessage): Refused | undefined {
    const { options } = this
    const { origin } = request.headers
    if (origin !== undefined && !options.allowsOrigin(origin))
      return {
        code: "not_allowed",
        detail: `pages of ${origin.slice(0, MAX_ORIGIN)} may not connect: it is not in http.origins`,
        retryAfterMs: undefined,
      }
    if (options.draining()) return { code: "draining", detail: ERRORS.draining.title, retryAfterMs: jitter(1_000) }
    if (options.connectionsPerNode > 0 && options.connections() >= options.connectionsPerNode)
      return { code: "node_full", detail: ERRORS.node_full.title, retryAfterMs: jitter(5_000) }
    const waitMs = this.take(options.addressOf(request))
    return waitMs === 0
      ? undefined
      : {
          code: "rate_limited",
          detail: "too many connects from this address",
          retryAfterMs: jitter(Math.max(waitMs, 1_000)),
        }
  }

  refuseRequest(refused: Refused, response: ServerResponse): void {
    this.options.refused(refused.code)
    const body = bodyOf(refused)
    response.writeHead(ERRORS[refused.code].status, { ...headersOf(refused, body), "access-control-allow-origin": "*" })
    response.end(body)
  }

  refuseUpgrade(refused: Refused, socket: Duplex): void {
    this.options.refused(refused.code)
    const { status } = ERRORS[refused.code]
    const body = bodyOf(refused)
    const headers = Object.entries({ ...headersOf(refused, body), connection: "close" })
    socket.on("error", () => socket.destroy())
    socket.end(
      `HTTP/1.1 ${status} Refused\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`,
    )
  }

  /** Forgets addresses that were quiet long enough. */
  sweep(): void {
    const now = this.options.nowMs()
    for (const [key, bucket] of this.buckets) if (bucket.isFull(now)) this.buckets.delete(key)
  }

  private take(address: string): number {
    const perSecond = this.options.connectsPerSecondPerAddress
    if (perSecond === 0) return 0
    const now = this.options.nowMs()
    let key = addressKey(address)
    let bucket = this.buckets.get(key)
    if (bucket === undefined && this.buckets.size >= MAX_ADDRESSES) {
      this.options.limitHit("address_limit_keys")
      key = "others"
      bucket = this.buckets.get(key)
    }
    if (bucket === undefined) {
      bucket = new TokenBucket(perSecond, perSecond, now)
      this.buckets.set(key, bucket)
    }
    return bucket.take(now)
  }
}

const bodyOf = ({ code, detail }: Refused): string => JSON.stringify({ code, message: detail })

const headersOf = ({ retryAfterMs }: Refused, body: string): Record<string, string> => ({
  "content-type": "application/json",
  "content-length": String(Buffer.byteLength(body)),
  ...(retryAfterMs !== undefined && { "retry-after": String(Math.ceil(retryAfterMs / 1000)) }),
})
