import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import type { Context, MiddlewareHandler } from "hono"
import type { Scope } from "#application/ports/token-verifier.ts"
import type { Services } from "#application/services.ts"
import { type Declined, Refusal } from "#domain/errors.ts"
import type { Env } from "./env.ts"
import { problem } from "./problem.ts"

/** Runs a use case for a request and answers: with `answer` where it succeeds, with a problem where it refuses. */
export type Run = <A, E extends Refusal | Declined>(
  c: Context<Env>,
  effect: Effect.Effect<A, E, Services>,
  answer: (value: A) => Response | Promise<Response>,
) => Promise<Response>

export type Runtime = ManagedRuntime.ManagedRuntime<Services, never>

export const LOG = { category: ["adapters", "http"] }

/** Logs what should not have happened; the caller is told `internal` and nothing of it. */
export const logDefect = (runtime: Runtime, c: Context<Env>, cause: Cause.Cause<unknown>): void => {
  runtime.runFork(
    Effect.logError("a request failed", cause).pipe(
      Effect.annotateLogs({ ...LOG, requestId: c.get("requestId"), method: c.req.method }),
    ),
  )
}

export const internal = (): Refusal => new Refusal("internal", "the gateway failed; its log has the request's id")

type Settled<A> = { readonly value: A } | { readonly response: Response }

/** What became of an effect: its value, or the problem to answer with. A defect is logged and becomes `internal`. */
export const settle = async <A, E extends Refusal | Declined>(
  runtime: Runtime,
  c: Context<Env>,
  effect: Effect.Effect<A, E, Services>,
  signal?: AbortSignal,
): Promise<Settled<A>> => {
  const traced = Effect.annotateLogs(effect, "requestId", c.get("requestId"))
  const exit = await runtime.runPromiseExit(traced, signal && { signal })
  if (Exit.isSuccess(exit)) return exit
  if (Cause.hasDies(exit.cause)) logDefect(runtime, c, exit.cause)
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return { response: problem(c, failure.error) }
  if (Cause.hasInterruptsOnly(exit.cause))
    return { response: problem(c, new Refusal("draining", "this node is shutting down")) }
  return { response: problem(c, internal()) }
}

/**
 * A client that went away is not read for any more, yet what changes something is carried to its end: a push that stops
 * half-way has reached some and not others, and one that waits for acknowledgements would lose the answer that a repeat
 * of its idempotency key is owed.
 */
export const runOn =
  (runtime: Runtime): Run =>
  async (c, effect, answer) => {
    const reads = c.req.method === "GET" || c.req.method === "HEAD"
    const settled = await settle(runtime, c, effect, reads ? c.req.raw.signal : undefined)
    return "value" in settled ? answer(settled.value) : settled.response
  }

/** Lets only credentials with the scope on. */
export const requireScope =
  (scope: Scope): MiddlewareHandler<Env> =>
  async (c, next) => {
    const { id, scopes } = c.get("credential")
    if (scopes.includes(scope)) return next()
    const found = scopes.length === 0 ? "none" : scopes.join(", ")
    return problem(c, new Refusal("insufficient_scope", `needs the scope ${scope}, the credential ${id} has ${found}`))
  }
