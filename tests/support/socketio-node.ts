import { createServer } from "node:http"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { PrometheusText } from "#adapters/prometheus/prometheus-text.ts"
import { type SocketioOptions, type SocketioServer, socketioServer } from "#adapters/socketio/socketio-server.ts"
import { engineEvents } from "#application/engine-events.ts"
import { Engine } from "#application/ports/engine.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { loadConfig } from "#bootstrap/config.ts"
import type { ConfigInput } from "#bootstrap/config-schema.ts"
import { layers } from "#bootstrap/layers.ts"
import { TEST_CONFIG } from "./gateway.ts"

export interface SocketioNodeOptions {
  readonly node: string
  readonly port?: number
  /** The addresses of the nodes, by id. */
  readonly nodes: ReadonlyMap<string, string>
  readonly secret: string
  readonly change?: ConfigInput
  readonly passOn?: SocketioOptions["passOn"]
}

export interface SocketioNode {
  readonly url: string
  readonly passedOn: SocketioServer["passedOn"]
  readonly close: () => Promise<void>
}

const none = (): never => {
  throw new Error("there are no handlers here")
}

/** A node's Socket.IO edge over its real services, and a list of nodes that the test gives it. */
export const startSocketioNode = async (options: SocketioNodeOptions): Promise<SocketioNode> => {
  const { change = {}, node, nodes, passOn, port = 0, secret } = options
  const text = JSON.stringify({ ...TEST_CONFIG, ...change, nodeId: node })
  const loaded = loadConfig({ configFile: "file", flags: [], env: {}, production: false, readFile: () => text })
  if ("mistakes" in loaded) throw new Error(JSON.stringify(loaded.mistakes))
  const { config } = loaded
  const core = ManagedRuntime.make(layers(config, "test", { push: none, pushWithAcks: none, join: none, leave: none }))
  const services = await core.context()
  const runtime = ManagedRuntime.make(Layer.succeedContext(services))
  const nowMs = (): number => Date.now()
  Context.get(services, Engine).start(engineEvents(services, nowMs))
  const server = createServer()
  const clients = socketioServer(server, {
    node,
    run: (effect, given) => runtime.runCallback(effect, given),
    metrics: Context.get(services, Metrics),
    limits: config.limits,
    trustedProxies: config.http.trustedProxies,
    allowsOrigin: () => true,
    onUntrustedForwarding: () => undefined,
    nowMs,
    nodes: { addressOf: (other) => nodes.get(other), secret: () => secret },
    ...(passOn !== undefined && { passOn }),
  })
  server.on("request", (request, response) => {
    if (request.url === "/metrics")
      void Context.get(services, PrometheusText)
        .render()
        .then(({ body }) => response.end(body))
    else clients.handleRequest(request, response)
  })
  server.on("upgrade", (request, socket, head) => clients.handleUpgrade(request, socket, head))
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : port}`,
    passedOn: clients.passedOn,
    close: async () => {
      const closing = clients.close()
      server.closeAllConnections()
      await closing
      await runtime.dispose()
      await core.dispose()
    },
  }
}

/** The value of a metric, all of its labels added up; 0 where it is not there yet. */
export const metricOf = async (url: string, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  const lines = text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0)
}
