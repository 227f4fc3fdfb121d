import { Redis, type SentinelConnectionOptions, SentinelConnector } from "ioredis"
import { type Connector, infoOf } from "./redis-connector.ts"
import type { ServerInfo } from "./server-check.ts"

const SWITCHED = "+switch-master"

/** Sentinel's word that another is the master. */
class MasterWatch {
  private readonly sentinels: readonly Redis[]

  constructor(options: SentinelConnectionOptions, onSwitch: () => void, onUnsuitable: (problem: string) => void) {
    const {
      connectTimeout,
      name = "",
      sentinelPassword,
      sentinelReconnectStrategy,
      sentinels = [],
      sentinelTLS,
    } = options
    this.sentinels = sentinels.map(({ host = "127.0.0.1", port = 26_379 }) => {
      const sentinel = new Redis({
        host,
        port,
        enableReadyCheck: false,
        autoResubscribe: false,
        ...(connectTimeout !== undefined && { connectTimeout }),
        ...(sentinelPassword !== undefined && { password: sentinelPassword }),
        ...(sentinelTLS !== undefined && { tls: sentinelTLS }),
        ...(sentinelReconnectStrategy !== undefined && { retryStrategy: sentinelReconnectStrategy }),
      })
      // One that is away is tried again; the others say the same.
      sentinel.on("error", () => {})
      const onFailure = (error: unknown): void => {
        // Where the connection broke, it is made and subscribed again.
        if (error instanceof Error && error.name === "ReplyError")
          onUnsuitable(`a sentinel must be allowed SUBSCRIBE, and answers: ${error.message}`)
      }
      sentinel.on("ready", () => void sentinel.subscribe(SWITCHED).catch(onFailure))
      sentinel.on("message", (_, text: string) => {
        if (text.startsWith(`${name} `)) onSwitch()
      })
      return sentinel
    })
  }

  close(): void {
    for (const sentinel of this.sentinels) sentinel.disconnect()
  }
}

/**
 * To the master that the sentinels name, and away from it as soon as they name another: for seconds the former one still
 * takes writes, which will be lost. The driver has such a watch too, which prints whatever fails.
 */
export const sentinelConnector = (
  options: SentinelConnectionOptions,
  suits: (info: ServerInfo) => boolean,
  onUnsuitable: (problem: string) => void,
): Connector =>
  class extends SentinelConnector {
    private watch: MasterWatch | undefined

    constructor() {
      super(options)
    }

    override async connect(
      emit: Parameters<SentinelConnector["connect"]>[0],
    ): ReturnType<SentinelConnector["connect"]> {
      const stream = await super.connect(emit)
      this.watch?.close()
      this.watch = new MasterWatch(options, () => this.disconnect(), onUnsuitable)
      return stream
    }

    override disconnect(): void {
      super.disconnect()
      this.watch?.close()
      this.watch = undefined
    }

    override check(info: { role?: string }): boolean {
      return super.check(info) && suits(infoOf(info))
    }
  }
