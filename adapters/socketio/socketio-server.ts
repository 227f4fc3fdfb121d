import { randomBytes } from "node:crypto"
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { Server, type Socket } from "socket.io"
import { Encoder } from "socket.io-parser"
import type { Metrics } from "#application/ports/metrics.ts"
import type { NodeRegistry } from "#application/ports/node-registry.ts"
import { type Code, ERRORS, errorBody, Refusal } from "#domain/errors.ts"
import type { Limits } from "#domain/limits.ts"
import { clientAddress } from "./client-address.ts"
import { ClientSession } from "./connect-client.ts"
import { EngineConnections } from "./engine-connections.ts"
import { withoutResponse } from "./forget-request.ts"
import { HandshakeGuard } from "./handshake-guard.ts"
import { Hops } from "./hops.ts"
import { LOG } from "./log.ts"
import { BoundedDecoder } from "./packet-decoder.ts"
import { PacketEncoder } from "./packet-encoder.ts"
import { PassOn, type PassOnOptions } from "./pass-on.ts"
import type { Run } from "./run.ts"
import { BoundedWebSocketServer } from "./websocket-engine.ts"

export interface SocketioOptions {
  readonly node: string
  readonly run: Run
  readonly metrics: Metrics["Service"]
  readonly limits: Limits
  readonly trustedProxies: readonly string[]
  readonly allowsOrigin: (origin: string) => boolean
  /** A header that a peer who is no trusted proxy sent; told once. */
  readonly onUntrustedForwarding: (peer: string) => void
  readonly nowMs: () => number
  /** The other nodes; undefined: there are none. */
  readonly nodes: Pick<NodeRegistry["Service"], "addressOf" | "secret"> | undefined
  readonly passOn?: Pick<PassOnOptions, "most" | "waits">
}

export interface SocketioServer {
  /** For requests to PATH; everything else is not its business. */
  readonly handleRequest: (request: IncomingMessage, response: ServerResponse) => void
  readonly handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly connections: () => number
  /** What is passed on to other nodes and open: a draining node sends these away, too. */
  readonly passedOn: Pick<PassOn, "size" | "closeOldest">
  /** From here on handshakes are refused with 503. */
  readonly drain: () => void
  /** Cuts who is still there, and ends. */
  readonly close: () => Promise<void>
}

export const PATH = "/socket.io/"

const CONNECT_MS = 10_000
const SWEEP_MS = 10_000
/** Beside the data: the event's name, its room, an id; events a little too large are refused by name, not by a cut. */
const PACKET_OVERHEAD = 16_384
/** Bounds what is read where no limit is configured; the HTTP API reads as much. */
const MAX_PACKET = 10_485_760

const FULL = {
  code: "node_full",
  detail: "this node passes on to others as much as it may",
  retryAfterMs: 2_000,
} as const

/** engine.io's own listeners, taken off the server: what is ours to decide is decided before it. */
const takeListeners = (server: HttpServer, event: "request" | "upgrade"): ((...args: unknown[]) => void) => {
  const own = server.listeners(event)
  server.removeAllListeners(event)
  return (...args) => {
    for (const listener of own) Reflect.apply(listener, server, args)
  }
}

/** As engine.io reads it: an empty `sid`, or one that comes before an empty one or after a `#`, is none: a handshake. */
const sidOf = ({ url = "" }: IncomingMessage): string | undefined =>
  Object.fromEntries(new URL(url, "http://gateway").searchParams)["sid"] || undefined

/** The gateway's Socket.IO side on a `node:http` server: namespace `/`, WebSocket and polling. */
export const socketioServer = (server: HttpServer, options: SocketioOptions): SocketioServer => {
  const { limits, metrics, node, nowMs, run } = options
  let draining = false
  const hops = new Hops(() => options.nodes?.secret())
  const ownAddressOf = clientAddress(options.trustedProxies, options.onUntrustedForwarding)
  const addressOf = (request: IncomingMessage): string => hops.clientOf(request) ?? ownAddressOf(request)
  const io = new Server(server, {
    serveClient: false,
    connectTimeout: CONNECT_MS,
    maxHttpBufferSize: limits.payloadBytes === 0 ? MAX_PACKET : 2 * limits.payloadBytes + PACKET_OVERHEAD,
    cors: { origin: (origin, answer) => answer(null, origin === undefined || options.allowsOrigin(origin)) },
    wsEngine: BoundedWebSocketServer,
    parser: { Encoder, Decoder: BoundedDecoder },
  })
  io.engine.generateId = () => `${node}.${randomBytes(16).toString("base64url")}`
  const engineRequest = takeListeners(server, "request")
  const engineUpgrade = takeListeners(server, "upgrade")

  const connections = (): number => io.engine.clientsCount
  const refused = (code: Code): void => metrics.connectionRefused(code)
  const guard = new HandshakeGuard({
    addressOf,
    allowsOrigin: options.allowsOrigin,
    connectionsPerNode: limits.connectionsPerNode,
    connectsPerSecondPerAddress: limits.connectsPerSecondPerAddress,
    connections,
    draining: () => draining,
    nowMs,
    refused,
    limitHit: metrics.limitHit,
  })
  metrics.observe("address_limit_keys", () => guard.addresses)
  const sweep = setInterval(() => guard.sweep(), SWEEP_MS)
  sweep.unref()

  const passOn = new PassOn({
    node,
    hops,
    addressOf: (other) => options.nodes?.addressOf(other),
    clientOf: addressOf,
    metrics,
    ...options.passOn,
  })
  const engine = new EngineConnections(io.engine, { ...limits, nowMs, limitHit: metrics.limitHit })
  const sessions = new WeakMap<Socket, ClientSession>()
  const joined = new WeakSet<Socket["client"]>()
  const encoder = new PacketEncoder()
  const session = {
    encoder,
    bufferBytes: limits.bufferBytes,
    largestMessage: limits.payloadBytes === 0 ? MAX_PACKET : limits.payloadBytes,
    limitHit: metrics.limitHit,
    failed: (connectionId: string, error: unknown) =>
      void run(Effect.annotateLogs(Effect.logError("a connection failed", { connectionId }, Cause.die(error)), LOG), {
        onExit: () => undefined,
      }),
    run,
    limits,
    metrics,
    nowMs,
    addressOf: (socket: Socket) => addressOf(socket.request),
  }
  io.use((socket, next) => {
    if (joined.has(socket.client)) {
      const refusal = new Refusal("already_connecting", ERRORS.already_connecting.title)
      refused(refusal._tag)
      return next(Object.assign(new Error(refusal.message), { data: errorBody(refusal) }))
    }
    joined.add(socket.client)
    const client = new ClientSession(socket, engine.bufferOf(socket.conn), session)
    sessions.set(socket, client)
    client.admit(next)
  })
  io.on("connection", (socket) => {
    const client = sessions.get(socket)
    sessions.delete(socket)
    client?.serve()
  })

  return {
    handleRequest: (request, response) => {
      hops.receive(request)
      const sid = sidOf(request)
      const answer = (): void => engineRequest(request, response)
      if (sid !== undefined) {
        const passed = passOn.request(request, response, sid, answer)
        if (passed === "full") return guard.refuseRequest(FULL, response)
        if (passed === "passed") return
      }
      if (request.method === "GET") {
        const refusal = sid === undefined ? guard.check(request) : undefined
        if (refusal !== undefined) return guard.refuseRequest(refusal, response)
        const conn = sid === undefined ? undefined : engine.byId(sid)
        if (conn !== undefined) engine.bufferOf(conn).poll(request, response)
      }
      answer()
    },
    handleUpgrade: (request, socket, head) => {
      hops.receive(request)
      const sid = sidOf(request)
      const answer = (): void => withoutResponse(socket, () => engineUpgrade(request, socket, head))
      if (sid === undefined) {
        const refusal = guard.check(request)
        return refusal === undefined ? answer() : guard.refuseUpgrade(refusal, socket)
      }
      const passed = passOn.upgrade(request, socket, head, sid, answer)
      if (passed === "full") guard.refuseUpgrade(FULL, socket)
      else if (passed === "ours") answer()
    },
    passedOn: passOn,
    connections,
    drain: () => {
      draining = true
    },
    close: async () => {
      clearInterval(sweep)
      engine.end()
      passOn.end()
      await io.close()
    },
  }
}
