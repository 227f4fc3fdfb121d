import { Agent, type IncomingMessage, type ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { Metrics } from "#application/ports/metrics.ts"
import { BUFFER_AGE_MS } from "#domain/limits.ts"
import { endToEndHeaders } from "./end-to-end-headers.ts"
import type { Hops } from "./hops.ts"
import { passRequest } from "./pass-request.ts"
import type { Passage, Waits } from "./passage.ts"
import { relay } from "./relay.ts"

export interface PassOnOptions {
  readonly node: string
  readonly hops: Hops
  /** `http://host:port` of another node that lives. */
  readonly addressOf: (node: string) => string | undefined
  readonly clientOf: (request: IncomingMessage) => string
  readonly metrics: Pick<Metrics["Service"], "limitHit" | "observe">
  readonly most?: { readonly requests: number; readonly relays: number }
  readonly waits?: Partial<Waits>
}

/** A parked poll is a request, so that these are about as many clients. */
const MOST = { requests: 20_000, relays: 20_000 }
/** The longest answer is that of a poll, which waits for the next ping, 25 s later at most. */
const WAITS: Waits = { connectMs: 2_000, answerMs: 60_000, stallMs: BUFFER_AGE_MS, lingerMs: 2_000 }
/** Less than the 5 s after which the other node closes an idle connection: a request must not meet that close. */
const IDLE_MS = 2_000
const MAX_IDLE = 256

export type Passed = "passed" | "full" | "ours"

/** What a URL has of a target that may be written as it is. */
const PRINTABLE = /^[\x21-\x7e]+$/

/**
 * Polling requests and WebSockets whose Engine.IO session is another node's, passed on to that node, for a load balancer
 * that does not send each request of a client to the same node. One hop at most. Where that node is not there, or does not
 * answer, the request is `ours`: engine.io does not know the session, and says so in the way that makes a stock client
 * begin anew.
 */
export class PassOn {
  private readonly options: PassOnOptions
  private readonly most: { readonly requests: number; readonly relays: number }
  private readonly waits: Waits
  private readonly agent = new Agent({ keepAlive: true, timeout: IDLE_MS, maxFreeSockets: MAX_IDLE })
  private requests = 0
  private relays = 0
  /** What can be open for long, the oldest first: polls and WebSockets. */
  private readonly parked = new Set<() => void>()

  constructor(options: PassOnOptions) {
    this.options = options
    this.most = options.most ?? MOST
    this.waits = { ...WAITS, ...options.waits }
    options.metrics.observe("requests_passed_on", () => this.requests)
    options.metrics.observe("relays", () => this.relays)
  }

  /** `gone` is called, later, where the node turns out not to be there: the request is ours then. */
  request(request: IncomingMessage, response: ServerResponse, sid: string, gone: () => void): Passed {
    const { method } = request
    const passage = method === "GET" || method === "POST" ? this.passageOf(request, sid) : undefined
    if (passage === undefined) return "ours"
    if (this.requests >= this.most.requests) return this.full("requests_passed_on")
    const cut = (): void => void response.destroy()
    if (method === "GET") this.parked.add(cut)
    this.requests++
    const done = (): void => {
      this.parked.delete(cut)
      this.requests--
    }
    passRequest(request, response, { ...passage, agent: this.agent, gone, done })
    return "passed"
  }

  upgrade(request: IncomingMessage, client: Duplex, first: Buffer, sid: string, gone: () => void): Passed {
    const passage = request.method === "GET" ? this.passageOf(request, sid) : undefined
    if (passage === undefined) return "ours"
    if (this.relays >= this.most.relays) return this.full("relays")
    this.relays++
    const done = (): void => {
      this.parked.delete(cut)
      this.relays--
    }
    const cut = relay(request, client, first, { ...passage, gone, done })
    this.parked.add(cut)
    return "passed"
  }

  /** Polls and WebSockets that are open. */
  get size(): number {
    return this.parked.size
  }

  /** Cuts the oldest, so that their clients come back elsewhere. */
  closeOldest(most: number): void {
    for (const cut of [...this.parked].slice(0, most)) {
      this.parked.delete(cut)
      cut()
    }
  }

  /** Cuts all of them. */
  end(): void {
    this.closeOldest(this.parked.size)
    this.agent.destroy()
  }

  private full(limit: string): "full" {
    this.options.metrics.limitHit(limit)
    return "full"
  }

  /** Undefined: nobody else is to be asked. A node's id may have dots, what follows it has none. */
  private passageOf(request: IncomingMessage, sid: string): Omit<Passage, "gone" | "done"> | undefined {
    const { addressOf, clientOf, hops, node } = this.options
    const owner = sid.slice(0, Math.max(0, sid.lastIndexOf(".")))
    if (owner === "" || owner === node || hops.isPassedOn(request) || !PRINTABLE.test(request.url ?? ""))
      return undefined
    const address = addressOf(owner)
    const url = address === undefined ? null : URL.parse(address)
    const proof = hops.headersFor(clientOf(request))
    if (url === null || proof === undefined) return undefined
    return {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port === "" ? 80 : url.port),
      headers: { ...endToEndHeaders(request.headers), ...proof },
      waits: this.waits,
      late: () => this.options.metrics.limitHit("pass_on_wait"),
    }
  }
}
