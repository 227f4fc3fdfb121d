import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import { freePort } from "#tests/support/free-port.ts"
import { SECRET, spawnNode } from "#tests/support/passing-nodes.ts"
import { type SocketioNode, type SocketioNodeOptions, startSocketioNode } from "#tests/support/socketio-node.ts"

const opened: (() => unknown)[] = []
export const closeAll = async (): Promise<void> => {
  await Promise.all(opened.splice(0).map((close) => close()))
}

export const portOf = (server: Server): number => {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}

export interface Owner {
  readonly url: string
  readonly requests: IncomingMessage[]
  readonly bodies: string[]
  /** TCP connections that are open. */
  readonly connections: () => number
  readonly upgrades: { readonly request: IncomingMessage; readonly socket: Duplex }[]
}

/** Another node, as the test has it: what reaches it is kept. */
export const startOwner = async (
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => void response.end("ok"),
): Promise<Owner> => {
  const requests: IncomingMessage[] = []
  const bodies: string[] = []
  const upgrades: Owner["upgrades"] = []
  const server = createServer((request, response) => {
    const index = requests.push(request) - 1
    bodies[index] = ""
    request.on("data", (chunk) => (bodies[index] += chunk))
    answer(request, response)
  })
  let connections = 0
  server.on("connection", (tcp) => {
    connections++
    tcp.on("close", () => connections--)
  })
  // The other side closes first what is idle, or the test sees that it does not.
  server.keepAliveTimeout = 60_000
  server.on("upgrade", (request, socket) => {
    socket.on("error", () => socket.destroy())
    upgrades.push({ request, socket })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  opened.push(() => {
    server.close()
    server.closeAllConnections()
    for (const { socket } of upgrades) socket.destroy()
  })
  return { url: `http://127.0.0.1:${portOf(server)}`, requests, bodies, connections: () => connections, upgrades }
}

export const RUNTIMES = ["node", "deno"] as const

export type StartFirst = (
  address: string,
  more?: Pick<SocketioNodeOptions, "change" | "passOn">,
) => Promise<Pick<SocketioNode, "url" | "close">>

/** The node `first`, which knows of a node `other` at that address: on Node in this process, on Deno in one of its own. */
export const firstOn =
  (runtime: (typeof RUNTIMES)[number]): StartFirst =>
  async (address, more = {}) => {
    const options = { node: "first", nodes: new Map([["other", address]]), secret: SECRET, ...more }
    if (runtime === "node") {
      const node = await startSocketioNode(options)
      opened.push(() => node.close())
      return node
    }
    const { process, url } = await spawnNode("deno", { ...options, port: await freePort() })
    opened.push(() => process.kill("SIGKILL"))
    const exited = new Promise<void>((resolve) => process.once("exit", () => resolve()))
    return {
      url,
      close: () => {
        process.kill("SIGTERM")
        return exited
      },
    }
  }

export const SESSION = "/socket.io/?EIO=4&transport=polling&sid=other.abc"
export const WEBSOCKET = "/socket.io/?EIO=4&transport=websocket&sid=other.abc"
export const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"

export interface RawConnection {
  readonly tcp: Socket
  readonly text: () => string
  readonly isClosed: () => boolean
}

/** Writes bytes to a node as they are. */
export const write = (url: string, text: string): RawConnection => {
  const tcp = connect({ port: Number(new URL(url).port), host: "127.0.0.1" })
  let received = ""
  let closed = false
  tcp.on("data", (chunk) => (received += chunk.toString("latin1")))
  tcp.on("error", () => undefined)
  tcp.on("close", () => (closed = true))
  tcp.write(text)
  opened.push(() => tcp.destroy())
  return { tcp, text: () => received, isClosed: () => closed }
}

export const get = (path: string, headers = ""): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
