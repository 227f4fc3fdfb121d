import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { isIP } from "node:net"

const SECRET = "x-roomcast-hop"
const CLIENT = "x-roomcast-client"

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/**
 * What one node tells the next of a request that it passes on: that it is one of them, and whose request it is. Both are
 * headers, and both are taken off whatever arrives, so that nothing behind this sees what an outsider wrote there.
 */
export class Hops {
  private readonly secret: () => string | undefined
  private readonly clients = new WeakMap<IncomingMessage, string>()

  /** Undefined: not known yet, and so nobody is believed. */
  constructor(secret: () => string | undefined) {
    this.secret = secret
  }

  receive(request: IncomingMessage): void {
    const { [CLIENT]: client, [SECRET]: proof } = request.headers
    if (proof === undefined && client === undefined) return
    Reflect.deleteProperty(request.headers, SECRET)
    Reflect.deleteProperty(request.headers, CLIENT)
    if (typeof proof === "string" && this.isSecret(proof)) this.clients.set(request, String(client))
  }

  /** Another node passed it on: it goes no further. */
  isPassedOn(request: IncomingMessage): boolean {
    return this.clients.has(request)
  }

  /** The client's address as the node saw it that passed the request on. */
  clientOf(request: IncomingMessage): string | undefined {
    const client = this.clients.get(request)
    return client !== undefined && isIP(client) !== 0 ? client : undefined
  }

  /** For a request that is passed on; undefined while there is no proof to give. */
  headersFor(client: string): Record<string, string> | undefined {
    const secret = this.secret()
    return secret === undefined ? undefined : { [SECRET]: secret, [CLIENT]: client }
  }

  /** Digests are of one length, and compared without telling where they differ. */
  private isSecret(proof: string): boolean {
    const secret = this.secret()
    return secret !== undefined && timingSafeEqual(digest(proof), digest(secret))
  }
}
