import { connect, createServer, type Server, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

interface Pair {
  readonly near: Socket
  readonly far: Socket
  subscribes: boolean
  muted: boolean
}

/** The network between a node and Redis. It can be broken in the ways that networks break. */
export class TcpProxy {
  private readonly pairs = new Set<Pair>()
  private stalled = false
  private readonly server: Server
  private readonly to: number
  port = 0

  private constructor(to: number) {
    this.to = to
    this.server = createServer((near) => this.join(near))
  }

  static async open(to: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(to)
    await proxy.listen()
    return proxy
  }

  /** Every connection is reset. */
  cut(): number {
    const { size } = this.pairs
    for (const { far, near } of this.pairs) {
      // A socket that is shutting down cannot be reset: Node would leave its handle open, and hang at its exit.
      if (near.readyState === "open") near.resetAndDestroy()
      else near.destroy()
      far.destroy()
    }
    return size
  }

  /** Every connection is reset, and nobody listens for a while. */
  async refuse(forMs: number): Promise<number> {
    const closed = new Promise((resolve) => this.server.close(resolve))
    const were = this.cut()
    await closed
    await sleep(forMs)
    await this.listen()
    return were
  }

  /** Packets are held back for a while, then go on: new connections are taken, and get no answer. */
  async stall(forMs: number): Promise<number> {
    this.stalled = true
    const { size } = this.pairs
    for (const { far, near } of this.pairs) {
      near.pause()
      far.pause()
    }
    await sleep(forMs)
    this.stalled = false
    for (const { far, near } of this.pairs) {
      near.resume()
      far.resume()
    }
    return size
  }

  /** What Redis sends on the subscriptions is swallowed from now on, without a reset. Answers how many there are. */
  mute(): number {
    const subscriptions = [...this.pairs].filter(({ muted, subscribes }) => subscribes && !muted)
    for (const pair of subscriptions) pair.muted = true
    return subscriptions.length
  }

  /** Muted connections that the node has not given up yet. */
  get muted(): number {
    return [...this.pairs].filter(({ muted }) => muted).length
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve))
    this.cut()
    await closed
  }

  private listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject)
      this.server.listen(this.port, "127.0.0.1", () => {
        this.server.off("error", reject)
        const address = this.server.address()
        if (typeof address === "object" && address !== null) this.port = address.port
        resolve()
      })
    })
  }

  private join(near: Socket): void {
    const far = connect({ port: this.to, host: "127.0.0.1", noDelay: true })
    near.setNoDelay(true)
    const pair: Pair = { near, far, subscribes: false, muted: false }
    this.pairs.add(pair)
    const pass = (from: Socket, to: Socket, drops: () => boolean): void => {
      from.on("data", (chunk: Buffer) => {
        if (from === near && !pair.subscribes) pair.subscribes = /subscribe\r\n/i.test(chunk.toString("latin1"))
        if (!drops() && !to.write(chunk)) from.pause()
      })
      to.on("drain", () => {
        if (!this.stalled) from.resume()
      })
      // A broken connection is what this is for: `close` follows, and ends the other half.
      from.on("error", () => undefined)
      from.on("close", () => {
        this.pairs.delete(pair)
        to.destroy()
      })
    }
    pass(near, far, () => false)
    pass(far, near, () => pair.muted)
    if (this.stalled) {
      near.pause()
      far.pause()
    }
  }
}
