import * as Effect from "effect/Effect"
import type { Caller } from "#application/ports/event-handlers.ts"
import type { AckedPush, HandlerActions, Pushed, PushInput } from "#application/ports/handler-actions.ts"
import { declinedFault } from "#domain/declined.ts"
import { Declined, Refusal } from "#domain/errors.ts"
import { ActionRefused } from "./action-refused.ts"
import { checkPush } from "./check-push.ts"
import type { AckedPushInput, HandlerContext, HandlerLog, Push } from "./handler-context.ts"

/** What `refuse` throws: never seen outside, unless a handler catches it, which is its own business. */
export class HandlerRefusal extends Error {
  override readonly name = "HandlerRefusal"
  readonly declined: Declined

  constructor(declined: Declined) {
    super(`${declined.code}: ${declined.message}`)
    this.declined = declined
  }
}

const refuse = (code: string, message: string, details?: unknown): never => {
  const fault = declinedFault(code, message, details)
  if (fault !== undefined) throw new TypeError(`refuse(code, message, details?): ${fault}`)
  throw new HandlerRefusal(new Declined(code, message, details))
}

const orRefused = async <A>(act: () => Promise<A>): Promise<A> => {
  try {
    return await act()
  } catch (error) {
    throw error instanceof Refusal || error instanceof Declined ? new ActionRefused(error) : error
  }
}

const pushBy = (actions: HandlerActions["Service"]): Push => {
  function push(given: AckedPushInput): Promise<AckedPush>
  function push(given: PushInput): Promise<Pushed>
  function push(given: PushInput): Promise<Pushed | AckedPush> {
    return orRefused(async () => {
      const { ack, ...checked } = checkPush(given)
      return ack === undefined ? actions.push(checked) : actions.pushWithAcks(checked, ack.timeoutMs)
    })
  }
  return push
}

/** Runs a log effect where the handler is, with the annotations of the event's own fiber. */
export type RunLog = (effect: Effect.Effect<void>) => void

const LEVELS = {
  debug: Effect.logDebug,
  info: Effect.logInfo,
  warn: Effect.logWarning,
  error: Effect.logError,
} as const

const handlerLog = (runLog: RunLog, labels: Readonly<Record<string, unknown>>): HandlerLog => {
  const at =
    (level: keyof typeof LEVELS): HandlerLog["info"] =>
    (message, properties) =>
      runLog(LEVELS[level](String(message)).pipe(Effect.annotateLogs({ ...properties, ...labels })))
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }
}

/** The context that one run of a handler gets. `labels` go with all that it logs. */
export const callerContext = (
  caller: Caller,
  actions: HandlerActions["Service"],
  signal: AbortSignal,
  runLog: RunLog,
  labels: Readonly<Record<string, unknown>>,
): HandlerContext => ({
  userId: caller.userId,
  connectionId: caller.connectionId,
  info: caller.info,
  push: pushBy(actions),
  join: (room, connectionId = caller.connectionId) => orRefused(() => actions.join(connectionId, room)),
  leave: (room, connectionId = caller.connectionId) => orRefused(() => actions.leave(connectionId, room)),
  refuse,
  log: handlerLog(runLog, labels),
  signal,
})
