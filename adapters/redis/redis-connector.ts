import { connect as connectTcp, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { connect as connectTls, type TLSSocket } from "node:tls"
import { AbstractConnector } from "ioredis"
import type { ServerInfo } from "./server-check.ts"

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** Decides where a connection of the driver's goes, and whether it may be used. */
export type Connector = new (options: unknown) => AbstractConnector

const LOOK_AGAIN_MS = 200
/** A server that does not take part in closing a connection is not waited for longer. */
export const CLOSE_MS = 200

/** `INFO` as the driver hands it to a connector, with nothing of it typed. */
export const infoOf = (info: unknown): ServerInfo =>
  typeof info === "object" && info !== null
    ? Object.fromEntries(Object.entries(info).map(([name, value]) => [name, String(value)]))
    : {}

/** The driver's own idea of where to connect to. */
const named = async (options: unknown): Promise<Endpoint> => {
  const { host = "127.0.0.1", port = 6379 }: { host?: unknown; port?: unknown } =
    typeof options === "object" && options !== null ? options : {}
  return { host: String(host), port: Number(port) }
}

interface Destination {
  readonly tls: boolean
  /** Whether a server that has answered may be used: asked before the first command. */
  readonly suits: (info: ServerInfo) => boolean
  /** Asked at each try; undefined: not known now. */
  readonly endpoint?: (options: unknown) => Promise<Endpoint | undefined>
}

export const connectorTo = ({ endpoint = named, suits, tls }: Destination): Connector =>
  class extends AbstractConnector {
    private readonly options: unknown

    constructor(options: unknown) {
      super(CLOSE_MS)
      this.options = options
    }

    override async connect(): Promise<Socket | TLSSocket> {
      this.connecting = true
      for (;;) {
        const found = await endpoint(this.options)
        if (!this.connecting) throw new Error("Connection is closed.")
        if (found !== undefined) {
          this.stream = tls ? connectTls({ ...found }) : connectTcp({ ...found })
          this.stream.once("error", (error) => {
            this.firstError = error
          })
          return this.stream
        }
        await sleep(LOOK_AGAIN_MS)
      }
    }

    override check(info: unknown): boolean {
      return suits(infoOf(info))
    }
  }
