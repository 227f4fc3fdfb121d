import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type Server } from "node:http"
import { getRequestListener } from "@hono/node-server"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import { httpApp } from "#adapters/http/http-app.ts"
import { answerMalformed, answerUnparsed } from "#adapters/http/malformed-request.ts"
import { PrometheusText } from "#adapters/prometheus/prometheus-text.ts"
import { PATH, socketioServer } from "#adapters/socketio/socketio-server.ts"
import { describeNode } from "#application/describe-node.ts"
import { engineEvents } from "#application/engine-events.ts"
import { LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Engine } from "#application/ports/engine.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { NodeCommands } from "#application/ports/node-commands.ts"
import { NodeRegistry } from "#application/ports/node-registry.ts"
import type { Services } from "#application/services.ts"
import { obeyCommand } from "#application/use-cases/obey-command.ts"
import { advertisedAddress } from "./advertise.ts"
import type { Config } from "./config.ts"
import { drainConnections, endRequests } from "./drain.ts"
import { LOG } from "./log.ts"
import { logStrayRejections } from "./stray-rejections.ts"
import { tendNode } from "./tend-node.ts"

export interface Edges {
  /** Where it listens. */
  readonly url: string
  /** Drains and ends. */
  readonly close: () => Promise<void>
}

const HEADERS_MS = 10_000
const REQUEST_MS = 30_000
/** How often it is looked whose time is over. */
const CHECKED_EACH_MS = 1_000

const listen = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, host, () => {
      server.off("error", reject)
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : port)
    })
  })

/**
 * Other upgrades are passed over, as RFC 9110, section 7.8, has it: Java's HttpClient, for one, offers h2c with every
 * request, and its pushes would else be cut off. Node before 24.9 cuts them off.
 */
const isSocket = ({ headers, url }: IncomingMessage): boolean =>
  url?.startsWith(PATH) === true && headers.upgrade?.toLowerCase() === "websocket"

const sha256 = (text: string): string => `sha256:${createHash("sha256").update(text).digest("base64url")}`

const apiKeys = ({ apiKey, keys }: Config) => [
  ...keys.flatMap(({ hash, id, scopes }) => (hash === undefined ? [] : [{ id, scopes, hash }])),
  ...(apiKey === undefined
    ? []
    : [{ id: "default", scopes: ["publish", "read", "manage"] as const, hash: sha256(apiKey) }]),
]

const admitsOrigin = ({ http, production }: Config): ((origin: string) => boolean) => {
  const origins = new Set(http.origins)
  return (origin) => !production || origins.has("*") || origins.has(origin)
}

/** Opens a node's edges, the API and the clients', on one `node:http` server. Rejects where it cannot listen. */
export const openEdges = async (
  config: Config,
  services: Context.Context<Services | PrometheusText>,
  runtime: ManagedRuntime.ManagedRuntime<Services, never>,
): Promise<Edges> => {
  const engine = Context.get(services, Engine)
  const metrics = Context.get(services, Metrics)
  const local = Context.get(services, LocalConnections)
  const registry = Context.get(services, NodeRegistry)
  const nowMs = (): number => Date.now()
  engine.start(engineEvents(services, nowMs))
  Context.get(services, NodeCommands).serve((command) => Effect.provideContext(obeyCommand(command), services))
  metrics.observe("outgoing_buffer_bytes", () => {
    let bytes = 0
    for (const { link } of local.byId.values()) bytes += link.bufferedBytes
    return bytes
  })
  metrics.observe("rooms", () => Context.get(services, LocalRooms).byName.size)

  let draining = false
  const allowsOrigin = admitsOrigin(config)
  const app = httpApp({
    runtime,
    metrics,
    limits: config.limits,
    keys: apiKeys(config),
    origins: allowsOrigin,
    accessLog: config.log.level === "debug" || config.log.level === "trace",
    bodyLimits: undefined,
    readiness: () => (draining ? "draining" : engine.isFresh() ? undefined : "the engine is away"),
    metricsText: () => Context.get(services, PrometheusText).render(),
    metricsToken: config.metrics.token,
  })
  const server = createServer({
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: CHECKED_EACH_MS,
    shouldUpgradeCallback: isSocket,
  })
  server.on("clientError", answerUnparsed(metrics))
  // What is expected may be passed over (RFC 9110, section 10.1.1); Node answers it with a 417 that says nothing.
  server.on("checkExpectation", (request, response) => void server.emit("request", request, response))
  const clients = socketioServer(server, {
    node: config.nodeId,
    run: (effect, options) => runtime.runCallback(effect, options),
    metrics,
    limits: config.limits,
    trustedProxies: config.http.trustedProxies,
    allowsOrigin,
    onUntrustedForwarding: (peer) =>
      void runtime.runFork(
        Effect.logWarning("X-Forwarded-For from a peer that is not in http.trustedProxies is ignored", {
          address: peer,
        }).pipe(Effect.annotateLogs(LOG)),
      ),
    nowMs,
    nodes: registry,
  })
  const api = getRequestListener(app.fetch, {
    errorHandler: answerMalformed(runtime),
    // Probes of load balancers in HTTP/1.0 name no host.
    hostname: "localhost",
  })
  server.on("request", (request, response) => {
    if (request.url?.startsWith(PATH)) clients.handleRequest(request, response)
    else void api(request, response)
  })
  server.on("upgrade", (request, socket, head) => {
    if (isSocket(request)) clients.handleUpgrade(request, socket, head)
    else socket.destroy()
  })
  runtime.runFork(tendNode)
  const port = await listen(server, config.port, config.host)
  const self = describeNode(services, { address: advertisedAddress(config, port), startedAt: Date.now() })
  // Where the engine is away, its next beat says it.
  await runtime.runPromise(Effect.ignore(registry.announce(self)))
  const leaveRejections = logStrayRejections(runtime)
  const host = config.host.includes(":") ? `[${config.host}]` : config.host
  const url = `http://${host}:${port}`
  // In development the banner says it.
  if (config.production) runtime.runFork(Effect.annotateLogs(Effect.logInfo("listening", { url }), LOG))
  return {
    url,
    close: async () => {
      const until = Date.now() + config.drain.time
      draining = true
      const connections = local.byId.size
      runtime.runFork(Effect.annotateLogs(Effect.logInfo("draining", { connections }), LOG))
      clients.drain()
      await drainConnections(local, clients.passedOn, config.drain.time)
      await endRequests(server, clients.close(), until)
      leaveRejections()
    },
  }
}
