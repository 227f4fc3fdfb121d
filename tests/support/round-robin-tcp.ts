import { connect, createServer, type Socket } from "node:net"

export interface TcpProxy {
  readonly url: string
  readonly close: () => void
}

/** A balancer that knows nothing: each TCP connection goes to the next of these ports. */
export const roundRobinTcp = (ports: readonly number[]): Promise<TcpProxy> => {
  const open = new Set<Socket>()
  let next = 0
  const server = createServer((client) => {
    const port = ports[next++ % ports.length] ?? 0
    const upstream = connect(port, "127.0.0.1")
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from)
      from.setNoDelay(true)
      from.on("error", () => to.destroy())
      from.on("close", () => {
        open.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  })
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      if (typeof address !== "object" || address === null) throw new Error("the proxy has no port")
      resolve({
        url: `http://127.0.0.1:${address.port}`,
        close: () => {
          server.close()
          for (const socket of open) socket.destroy()
        },
      })
    })
  })
}
