import { randomUUID } from "node:crypto"
import { type Server, STATUS_CODES } from "node:http"
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

type Unparsed = readonly [status: number, refusal: Refused<"invalid_request" | "request_timeout">]

const unparsed = (error: Error): Unparsed => {
  const code = "code" in error ? error.code : undefined
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return [408, new Refusal("request_timeout", "the request did not arrive whole in time")]
  if (code === "HPE_HEADER_OVERFLOW") return [431, new Refusal("invalid_request", "the headers have too many bytes")]
  return [400, new Refusal("invalid_request", "what came is no HTTP/1.1 request")]
}

/** Answers what the server's parser refuses, in place of its empty answer, and closes the connection. */
export const answerUnparsed = (server: Server, metrics: Metrics["Service"]): void => {
  server.on("clientError", (error, socket) => {
    const underWay: unknown = Reflect.get(socket, "_httpMessage")
    const begun = typeof underWay === "object" && underWay !== null && Reflect.get(underWay, "headersSent") === true
    // An answer that has begun would get this one into its body.
    if (!socket.writable || begun) return void socket.destroy()
    const [status, refusal] = unparsed(error)
    metrics.errorAnswered(refusal._tag, "http")
    const requestId = randomUUID()
    const body = JSON.stringify({ ...problemBody(refusal, requestId, false).body, status })
    socket.end(
      [
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
        "Content-Type: application/problem+json",
        `Content-Length: ${Buffer.byteLength(body)}`,
        `X-Request-Id: ${requestId}`,
        "Connection: close",
        "",
        body,
      ].join("\r\n"),
    )
  })
}
