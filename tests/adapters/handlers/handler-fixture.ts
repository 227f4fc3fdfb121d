import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { handlerModules } from "#adapters/handlers/handler-modules.ts"
import { type Caller, EventHandlers } from "#application/ports/event-handlers.ts"
import { HandlerActions } from "#application/ports/handler-actions.ts"
import { type Declined, type ErrorBody, errorBody, type Refusal } from "#domain/errors.ts"
import { type CapturedLogs, capturedLogs } from "#tests/support/captured-logs.ts"
import { type RecordedMetrics, recordingMetrics } from "#tests/support/silent-metrics.ts"

export interface Folder extends AsyncDisposable {
  readonly path: string
}

/** A directory outside of the project with these files. */
export const folderOf = async (files: Readonly<Record<string, string>>): Promise<Folder> => {
  const path = await mkdtemp(join(tmpdir(), "roomcast-handlers-"))
  for (const [name, source] of Object.entries(files)) await writeFile(join(path, name), source)
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

type Called = readonly ["push" | "pushWithAcks" | "join" | "leave", ...unknown[]]

export interface OpenHandlers extends AsyncDisposable {
  readonly port: EventHandlers["Service"]
  readonly called: Called[]
  readonly logs: CapturedLogs
  readonly metrics: RecordedMetrics
  /** The ack: `{ data }`, or `{ error }`. */
  readonly run: (
    event: string,
    data?: unknown,
    more?: { readonly caller?: Partial<Caller>; readonly signal?: AbortSignal },
  ) => Promise<{ readonly data: unknown } | { readonly error: ErrorBody }>
  readonly settle: <A>(
    effect: Effect.Effect<A, Declined | Refusal>,
    signal?: AbortSignal,
  ) => Promise<{ readonly data: A } | { readonly error: ErrorBody }>
}

export const ANN: Caller = { userId: "ann", connectionId: "c1", info: { name: "Ann" } }

/** The adapter over a directory. `refuse`: what every action rejects with. */
export const openHandlers = async (
  directory: string | undefined,
  options: { readonly defaultTimeoutMs?: number; readonly refuse?: Refusal | Declined } = {},
): Promise<OpenHandlers> => {
  const called: Called[] = []
  const logs = capturedLogs()
  const metrics = recordingMetrics()
  const done = async <A>(call: Called, value: A): Promise<A> => {
    called.push(call)
    if (options.refuse !== undefined) throw options.refuse
    return value
  }
  const actions = Layer.succeed(HandlerActions, {
    push: (push) => done(["push", push], { id: "m1", offset: "e.1" }),
    pushWithAcks: (push, timeoutMs) =>
      done(["pushWithAcks", push, timeoutMs], {
        id: "m1",
        responses: [{ connectionId: "c2", userId: "bob", data: "yes" }],
        missing: ["c3"],
      }),
    join: (connectionId, room) => done(["join", connectionId, room], undefined),
    leave: (connectionId, room) => done(["leave", connectionId, room], undefined),
  })
  const runtime = ManagedRuntime.make(
    handlerModules({ directory, defaultTimeoutMs: options.defaultTimeoutMs ?? 5_000 }).pipe(
      Layer.provide([actions, metrics.layer]),
      Layer.provideMerge(logs.layer),
    ),
  )
  const port = await runtime.runPromise(EventHandlers)
  const settle: OpenHandlers["settle"] = async (effect, signal) => {
    const exit = await Effect.runPromiseExit(
      effect.pipe(Effect.annotateLogs({ requestId: "q1" }), Effect.provide(logs.layer)),
      signal === undefined ? {} : { signal },
    )
    if (Exit.isSuccess(exit)) return { data: exit.value }
    const reason = exit.cause.reasons[0]
    if (reason?._tag !== "Fail") throw new Error(`no refusal: ${reason?._tag}`)
    return { error: errorBody(reason.error) }
  }
  return {
    port,
    called,
    logs,
    metrics,
    settle,
    run: (event, data, { caller, signal } = {}) => settle(port.run(event, data, { ...ANN, ...caller }), signal),
    [Symbol.asyncDispose]: () => runtime.dispose(),
  }
}

/** A module with one handler, of this text, for the event `it`. */
export const handlerModule = (members: string): string =>
  `import { defineHandler, z } from "roomcast"\nexport default defineHandler({ event: "it", ${members} })\n`

/** Runs a test with the one handler for the event `it`. */
export const withHandler = async (
  members: string,
  test: (handlers: OpenHandlers) => Promise<void>,
  options: Parameters<typeof openHandlers>[1] = {},
): Promise<void> => {
  await using folder = await folderOf({ "it.ts": handlerModule(members) })
  await using handlers = await openHandlers(folder.path, options)
  await test(handlers)
}
