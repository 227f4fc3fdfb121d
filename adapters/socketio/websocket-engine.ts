import { type ServerOptions, WebSocketServer } from "ws"

/**
 * The WebSocket server that engine.io uses, with the bounds that it does not set: a peer that does not answer a close, a
 * flood of pings that nobody reads the pongs of, a message in countless fragments.
 */
export class BoundedWebSocketServer extends WebSocketServer {
  constructor(options: ServerOptions) {
    super(
      Object.assign({}, options, {
        closeTimeout: 2_000,
        maxPendingAutoPongs: 20,
        maxFragments: 64,
        maxBufferedChunks: 4_096,
      }),
    )
  }
}
