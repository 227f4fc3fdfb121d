import { connect, createServer, type Socket } from "node:net"

export interface DeafProxy {
  readonly url: string
  /** From here on subscriptions that are there now bring nothing, and their connections stay up; new ones hear. */
  readonly muteSubscriptions: () => void
  readonly close: () => void
}

/** In front of a Redis: swallows what it says on connections that subscribed, as a network without a reset does. */
export const deafProxy = (port: number): Promise<DeafProxy> => {
  const open = new Set<Socket>()
  const subscribed = new Set<Socket>()
  let muted: ReadonlySet<Socket> = new Set()
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1")
    client.on("data", (chunk) => {
      if (/\bsubscribe\b/i.test(String(chunk))) subscribed.add(client)
      upstream.write(chunk)
    })
    upstream.on("data", (chunk) => {
      if (!muted.has(client)) client.write(chunk)
    })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one)
      one.setNoDelay(true)
      one.on("error", () => other.destroy())
      one.on("close", () => {
        open.delete(one)
        subscribed.delete(one)
        other.destroy()
      })
    }
  })
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      if (typeof address !== "object" || address === null) throw new Error("the proxy has no port")
      resolve({
        url: `redis://127.0.0.1:${address.port}`,
        muteSubscriptions: () => {
          muted = new Set(subscribed)
        },
        close: () => {
          server.close()
          for (const socket of open) socket.destroy()
        },
      })
    })
  })
}
