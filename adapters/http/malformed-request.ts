import { randomUUID } from "node:crypto"
import { RequestError } from "@hono/node-server"
import * as Effect from "effect/Effect"
import { Refusal } from "#domain/errors.ts"
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
