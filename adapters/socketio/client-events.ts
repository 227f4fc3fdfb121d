import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { LocalConnection } from "#application/local-connections.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import type { Metrics } from "#application/ports/metrics.ts"
import { dispatchClientEvent } from "#application/use-cases/dispatch-client-event.ts"
import { type Declined, ERRORS, type ErrorBody, errorBody, Refusal } from "#domain/errors.ts"
import { type Limits, TokenBucket } from "#domain/limits.ts"
import { GATEWAY_EVENTS } from "./gateway-events.ts"
import { LOG } from "./log.ts"
import type { Run } from "./run.ts"
import type { SocketLink } from "./socket-link.ts"
import { type ClientEvent, TOO_MANY_WAIT, WaitingEvents } from "./waiting-events.ts"

export interface ClientEventsOptions {
  readonly run: Run
  readonly limits: Limits
  readonly metrics: Metrics["Service"]
  readonly nowMs: () => number
}

/** Of large answers, histories and lists, a client gets no more than so many bytes a second: each costs the node's time. */
const ANSWER_BYTES_PER_SECOND = 5_000_000
const LARGE_ANSWER_BYTES = 65_536

/** How often it is looked whether a client has read what it asked for. */
const LOOK_MS = 50

const isAck = (value: unknown): value is (answer: unknown) => void => typeof value === "function"

/**
 * A connection's events: begun in the order of arrival. The gateway's own run one at a time and hold back what follows;
 * handlers and rpc overlap, up to `limits.eventsInFlight`. Each ack is answered once, whatever happens.
 */
export class ClientEvents {
  private readonly waiting = new WaitingEvents()
  /** How to interrupt those under way; undefined where none was. */
  private running: Set<() => void> | undefined
  private inFlight = 0
  /** Until the connection is started, and while one of the gateway's own events runs. */
  private held = true
  private connection: LocalConnection | undefined
  private readonly bucket: TokenBucket | undefined
  private readonly link: SocketLink
  private readonly options: ClientEventsOptions

  constructor(link: SocketLink, options: ClientEventsOptions) {
    this.link = link
    this.options = options
    const { eventsPerSecond } = options.limits
    this.bucket =
      eventsPerSecond === 0 ? undefined : new TokenBucket(eventsPerSecond, eventsPerSecond * 2, options.nowMs())
  }

  /** Every event of the client, as Socket.IO hands it over: name, arguments, and its ack last. */
  take(event: unknown, args: readonly unknown[]): void {
    // A packet that asks for an ack and holds nothing else has it in the place of the name.
    const last = args.length === 0 ? event : args.at(-1)
    const ack = isAck(last) ? last : undefined
    const sent = ack === undefined ? args : args.slice(0, -1)
    const refusal = this.check(event, sent) ?? this.keep({ event: String(event), data: sent[0] ?? null, ack })
    if (refusal === undefined) this.next()
    else this.refuse(ack, refusal)
  }

  start(connection: LocalConnection): void {
    this.connection = connection
    this.held = false
    this.next()
  }

  /** The client is gone: what waits is dropped, handlers are told by their signal. */
  stop(): void {
    this.held = true
    this.waiting.clear()
    for (const interrupt of [...(this.running ?? [])]) interrupt()
  }

  private check(event: unknown, args: readonly unknown[]): Refusal | undefined {
    const waitMs = this.bucket?.take(this.options.nowMs()) ?? 0
    const { eventsPerSecond } = this.options.limits
    if (waitMs > 0) {
      this.options.metrics.limitHit("events_per_second")
      return new Refusal("rate_limited", `at most ${eventsPerSecond} events a second`, { retryAfterMs: waitMs })
    }
    if (typeof event !== "string")
      return new Refusal("invalid_request", `an event's name is a string, found ${typeof event}`)
    if (args.length > 1)
      return new Refusal(
        "invalid_request",
        `an event carries one argument, found ${args.length}: put them into one object`,
      )
    return undefined
  }

  private keep(event: ClientEvent): Refusal | undefined {
    if (this.waiting.add(event)) return undefined
    this.options.metrics.limitHit("events_waiting")
    return new Refusal("rate_limited", TOO_MANY_WAIT, { retryAfterMs: 1_000 })
  }

  private next(): void {
    while (!this.held) {
      const pending = this.waiting.first
      if (pending === undefined || this.connection === undefined) return
      if (this.link.isBehind) {
        this.awaitReader(this.connection)
        return
      }
      const gateway = GATEWAY_EVENTS.has(pending.event)
      if (!gateway && this.options.limits.eventsInFlight > 0 && this.inFlight >= this.options.limits.eventsInFlight)
        return
      this.waiting.removeFirst()
      if (gateway) this.runGateway(this.connection, pending)
      else this.runApplication(this.connection, pending)
    }
  }

  /** A client that does not read is answered no more until it does. */
  private awaitReader(connection: LocalConnection): void {
    this.held = true
    const read = Effect.gen({ self: this }, function* () {
      while (this.link.isBehind && !connection.closed) yield* Effect.sleep(LOOK_MS)
    })
    this.options.run(read, { onExit: () => this.goOn(connection) })
  }

  private goOn(connection: LocalConnection): void {
    this.held = connection.closed
    this.next()
  }

  private runGateway(connection: LocalConnection, pending: ClientEvent): void {
    const { ack, data, event } = pending
    const work = GATEWAY_EVENTS.get(event)
    if (work === undefined) return
    this.held = true
    const began = this.options.nowMs()
    const done = (): void => this.goOn(connection)
    this.options.run(work(connection, data), {
      onExit: (exit) => {
        this.count("gateway", exit, began)
        if (Exit.isFailure(exit)) {
          this.fail(connection, pending, exit.cause)
          return done()
        }
        const { afterwards, answer } = exit.value
        const bytes = this.link.bytesWritten(() => ack?.({ ok: true, ...answer }))
        const rest = bytes < LARGE_ANSWER_BYTES ? Effect.void : Effect.sleep((bytes * 1_000) / ANSWER_BYTES_PER_SECOND)
        if (afterwards === undefined && bytes < LARGE_ANSWER_BYTES) return done()
        this.options.run(Effect.andThen(afterwards ?? Effect.void, rest), { onExit: done })
      },
    })
  }

  private runApplication(connection: LocalConnection, pending: ClientEvent): void {
    this.inFlight++
    const began = this.options.nowMs()
    let interrupt: (() => void) | undefined
    let finished = false
    interrupt = this.options.run(dispatchClientEvent(connection, pending.event, pending.data), {
      onExit: (exit) => {
        finished = true
        this.inFlight--
        if (interrupt !== undefined) this.running?.delete(interrupt)
        this.count("application", exit, began)
        if (Exit.isSuccess(exit)) pending.ack?.({ ok: true, data: exit.value })
        else this.fail(connection, pending, exit.cause)
        this.next()
      },
    })
    if (finished) return
    this.running ??= new Set()
    this.running.add(interrupt)
  }

  private count(kind: "gateway" | "application", exit: Exit.Exit<unknown, Refusal | Declined>, began: number): void {
    const outcome = Exit.isSuccess(exit) ? "ok" : refusalOf(exit.cause)._tag
    const counted = kind === "gateway" ? "gateway" : outcome === "unknown_event" ? "unknown" : "application"
    this.options.metrics.clientEvent(counted, outcome, Math.max(0, this.options.nowMs() - began) / 1000)
  }

  private fail(connection: LocalConnection, { ack, event }: ClientEvent, cause: Cause.Cause<Refusal | Declined>): void {
    const refusal = refusalOf(cause)
    this.refuse(ack, refusal)
    const caller = connection.member
    const told = Effect.gen(function* () {
      const handlers = yield* EventHandlers
      if (Cause.hasDies(cause))
        yield* Effect.annotateLogs(
          Effect.logError("an event failed", { connectionId: caller.connectionId }, cause),
          LOG,
        )
      yield* handlers.error(caller, event, refusal._tag === "declined" ? refusal.code : refusal._tag)
    })
    this.options.run(told, { onExit: () => undefined })
  }

  private refuse(ack: ClientEvent["ack"], refusal: Refusal | Declined): void {
    this.options.metrics.errorAnswered(refusal._tag, "socketio")
    ack?.({ ok: false, error: ackError(refusal) })
  }
}

/** What the engine is made of and what it said is for the log and for the backend, not for clients. */
const ackError = (refusal: Refusal | Declined): ErrorBody => {
  const body = errorBody(refusal)
  return refusal._tag === "engine_unavailable" ? { ...body, message: ERRORS.engine_unavailable.title } : body
}

const refusalOf = (cause: Cause.Cause<Refusal | Declined>): Refusal | Declined => {
  const failed = cause.reasons.find(Cause.isFailReason)
  if (failed !== undefined) return failed.error
  return Cause.hasInterruptsOnly(cause)
    ? new Refusal("draining", "the connection or the node is closing")
    : new Refusal("internal", "the event could not be handled")
}
