import { createServer, type IncomingMessage, request as open } from "node:http"
import { connect } from "node:net"
import { buffer } from "node:stream/consumers"

export interface RoundRobin {
  readonly url: string
  /** How many requests and upgrades each node got, in the order of the nodes. */
  readonly taken: readonly number[]
  readonly close: () => void
}

/** Nothing of one TCP connection is kept for the next request; a node that refuses the connection is passed over. */
export const roundRobin = async (nodes: readonly string[]): Promise<RoundRobin> => {
  const taken = nodes.map(() => 0)
  let turn = 0
  /** The nodes to be tried for one request, in their order. */
  const inTurn = (): number[] => {
    const first = turn++
    return nodes.map((_, i) => (first + i) % nodes.length)
  }
  const take = (index: number): { readonly host: string; readonly port: number } => {
    taken[index] = (taken[index] ?? 0) + 1
    const { hostname, port } = new URL(nodes[index] ?? "")
    return { host: hostname, port: Number(port) }
  }
  const headersOf = ({ headers, socket }: IncomingMessage) => ({
    ...headers,
    "x-forwarded-for": headers["x-forwarded-for"] ?? socket.remoteAddress ?? "",
  })

  const server = createServer(async (request, response) => {
    const body = await buffer(request)
    const attempt = ([index = 0, ...others]: readonly number[]): void => {
      const { host, port } = take(index)
      const { method = "GET", url = "/" } = request
      const upstream = open({ host, port, method, path: url, headers: headersOf(request), agent: false }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.on("error", () => response.destroy())
        answer.pipe(response)
      })
      upstream.on("error", () => {
        if (response.headersSent || response.destroyed) response.destroy()
        else if (others.length > 0) attempt(others)
        else response.writeHead(502).end()
      })
      response.on("close", () => upstream.destroy())
      upstream.end(body)
    }
    attempt(inTurn())
  })
  server.on("upgrade", (request, socket, first) => {
    socket.on("error", () => socket.destroy())
    const attempt = ([index = 0, ...others]: readonly number[]): void => {
      let joined = false
      const upstream = connect(take(index), () => {
        joined = true
        const lines = Object.entries(headersOf(request)).map(([name, value]) => `${name}: ${value}\r\n`)
        upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`)
        upstream.write(first)
        upstream.pipe(socket).pipe(upstream)
      })
      upstream.on("error", () => (joined || others.length === 0 ? socket.destroy() : attempt(others)))
      upstream.on("close", () => joined && socket.end())
      socket.on("close", () => upstream.destroy())
    }
    attempt(inTurn())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    taken,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
