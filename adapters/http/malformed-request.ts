import { randomUUID } from "node:crypto"
import { RequestError } from "@hono/node-server"
import * as Effect from "effect/Effect"
import type { Metrics } from "#application/ports/metrics.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { internal, LOG, type Runtime } from "./endpoint.ts"
import { problemBody } from "./problem.ts"

/**
 * Answers what never becomes a request, as a target that is no URL: `errorHandler` of `getRequestListener`. Without it
 * the answer would be an empty 400.
 */
export const answerMalformed =
  (runtime: Runtime) =>
  (error: unknown): Response => {
    const requestId = randomUUID()
    const malformed = error instanceof RequestError
    if (!malformed)
      runtime.runFork(Effect.annotateLogs(Effect.logError("a request failed", error), { ...LOG, requestId }))
    const refusal = malformed
      ? new Refusal("invalid_request", `the request is malformed: ${error.message}`)
      : internal()
    const { status, body } = problemBody(refusal, requestId, false)
    return new Response(JSON.stringify(body), {
      status,
      headers: { "Content-Type": "application/problem+json", "X-Request-Id": requestId },
    })
  }

type Unparsed = readonly [status: string, refusal: Refused<"invalid_request" | "request_timeout">]

const unparsed = (error: Error): Unparsed => {
  const code = "code" in error ? error.code : undefined
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return ["408 Request Timeout", new Refusal("request_timeout", "the request did not arrive whole in time")]
  return code === "HPE_HEADER_OVERFLOW"
    ? ["431 Request Header Fields Too Large", new Refusal("invalid_request", "the headers have too many bytes")]
    : ["400 Bad Request", new Refusal("invalid_request", "what came is no HTTP/1.1 request")]
}

interface Connection {
  readonly writable: boolean
  readonly destroy: () => unknown
  readonly end: (text: string, written: () => void) => unknown
}

/** Whether an answer to an earlier request is on its way, into whose body another one would go. */
const isAnswering = (connection: Connection): boolean => {
  const underWay: unknown = Reflect.get(connection, "_httpMessage")
  return typeof underWay === "object" && underWay !== null && Reflect.get(underWay, "headersSent") === true
}

/** Answers what the server's parser refuses and closes the connection: for `clientError`, whose own answer is empty. */
export const answerUnparsed =
  (metrics: Metrics["Service"]) =>
  (error: Error, connection: Connection): void => {
    if (!connection.writable || isAnswering(connection)) return void connection.destroy()
    const [status, refusal] = unparsed(error)
    metrics.errorAnswered(refusal._tag, "http")
    const requestId = randomUUID()
    const body = JSON.stringify({ ...problemBody(refusal, requestId, false).body, status: Number.parseInt(status, 10) })
    connection.end(
      [
        `HTTP/1.1 ${status}`,
        "Content-Type: application/problem+json",
        `Content-Length: ${body.length}`,
        `X-Request-Id: ${requestId}`,
        "Connection: close",
        "",
        body,
      ].join("\r\n"),
      // Whoever holds its side open holds no socket of ours.
      () => connection.destroy(),
    )
  }
