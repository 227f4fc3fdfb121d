import { Pool } from "undici"
import { Bulkhead } from "./bulkhead.ts"
import type { Endpoint } from "./endpoints.ts"
import { type NoReply, post, type Reply } from "./post.ts"
import { signedHeaders } from "./signed-request.ts"

/** Connections that notices use, beside those for questions: neither waits for the other's. */
export const NOTICE_LANES = 8

/** Shorter than the keep-alive of common servers, so that a request seldom meets a connection that is being closed. */
const KEEP_ALIVE_MS = 1_500
const CONNECT_TIMEOUT_MS = 5_000
const DEFAULT_TIMEOUT_MS = 10_000

/** One endpoint with its connections. */
export interface EndpointClient extends Endpoint {
  readonly questions: Bulkhead
  /** One try, signed now; at most the endpoint's own time-out. */
  readonly send: (
    id: string,
    body: string,
    timeoutMs: number | undefined,
    nowMs: number,
    signal: AbortSignal,
  ) => Promise<Reply | NoReply>
  readonly destroy: () => Promise<void>
}

/** HTTP/1.1 on kept-alive connections, at most `concurrency` for questions and NOTICE_LANES for notices. */
export const connectEndpoint = (endpoint: Endpoint, concurrency: number, answerBytes: number): EndpointClient => {
  const pool = new Pool(endpoint.origin, {
    connections: concurrency + NOTICE_LANES,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
  })
  return {
    ...endpoint,
    questions: new Bulkhead(concurrency),
    send: (id, body, timeoutMs, nowMs, signal) =>
      post(pool, endpoint.path, signedHeaders(endpoint.signer, id, body, nowMs), body, {
        timeoutMs: Math.min(
          timeoutMs ?? endpoint.timeoutMs ?? DEFAULT_TIMEOUT_MS,
          endpoint.timeoutMs ?? Number.POSITIVE_INFINITY,
        ),
        maxBytes: answerBytes,
        signal,
      }),
    destroy: () => pool.destroy(),
  }
}
