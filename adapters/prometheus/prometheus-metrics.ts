import process from "node:process"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Gauge, Histogram, Registry } from "prom-client"
import { Metrics } from "#application/ports/metrics.ts"
import { observedGauges } from "./gauges.ts"
import {
  admitCode,
  admitConnectionOutcome,
  admitEdge,
  admitEventKind,
  admitKind,
  admitLimits,
  admitMethod,
  admitOutcome,
  admitPeerKind,
  admitPeerOutcome,
  admitReason,
  admitRoutes,
  admitSource,
  admitStatus,
  admitWords,
  CONNECTION_OUTCOMES,
  MESSAGE_SOURCES,
} from "./known-labels.ts"
import { ByLabel } from "./label-values.ts"
import { processMetrics } from "./process-metrics.ts"
import { PrometheusText } from "./prometheus-text.ts"
import { tallies } from "./tally.ts"

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const FAST_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
const MESSAGES = [0, 1, 10, 50, 100, 250, 500, 1_000, 5_000]

const make = (registry: Registry): Metrics["Service"] => {
  const registers = [registry]
  const counter = (name: string, help: string, ...labels: readonly string[]) =>
    tallies(registry, `roomcast_${name}_total`, help, ...labels)
  const histogram = <L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    new Histogram<L>({ name: `roomcast_${name}`, help, buckets, labelNames, registers })

  const opened = counter("connections_opened", "Connections let in.", "outcome")
  const closed = counter("connections_closed", "Connections ended.", "reason")
  const refused = counter("connections_refused", "Connections not let in.", "code")
  const received = counter("messages_received", "Messages accepted for publishing.", "from")
  const delivered = counter("messages_delivered", "Messages handed to a client's socket.")()
  const deliveredBytes = counter("messages_delivered_bytes", "Data of the messages handed to clients' sockets.")()
  const toSocket = histogram(
    "publish_to_socket_seconds",
    "From a message's acceptance to its write to the last local socket.",
    FAST_SECONDS,
  )
  const events = counter("client_events", "Events from clients.", "kind", "outcome")
  const eventSeconds = histogram("client_event_seconds", "From a client's event to its ack.", SECONDS, "kind")
  const errors = counter("errors_answered", "Errors answered to clients and callers.", "code", "edge")
  const calls = counter("backend_calls", "Requests to the backend.", "kind", "outcome")
  const callSeconds = histogram("backend_call_seconds", "Time that the backend took.", SECONDS, "kind")
  const requests = counter("http_requests", "HTTP requests answered.", "method", "route", "status")
  const requestSeconds = histogram("http_request_seconds", "From a request to its answer.", SECONDS, "method", "route")
  const limits = counter("limit_hits", "How often a limit was hit.", "limit")
  const replays = histogram("replayed_messages", "Messages sent again to one returning client.", MESSAGES)
  const peers = counter("peer_messages", "Exchanged with Socket.IO programs on Redis.", "kind", "outcome")

  const admitRoute = admitRoutes()
  const admitWord = admitWords()
  const byOutcome = new ByLabel(admitConnectionOutcome, (outcome) => opened(outcome))
  const byReason = new ByLabel(admitReason, (reason) => closed(reason))
  const byRefusal = new ByLabel(admitCode, (code) => refused(code))
  const bySource = new ByLabel(admitSource, (from) => received(from))
  const byEvent = new ByLabel(admitEventKind, (kind) => ({
    seconds: eventSeconds.labels(kind),
    outcomes: new ByLabel(admitOutcome, (outcome) => events(kind, outcome)),
  }))
  const byEdge = new ByLabel(admitEdge, (edge) => new ByLabel(admitCode, (code) => errors(code, edge)))
  const byKind = new ByLabel(admitKind, (kind) => ({
    seconds: callSeconds.labels(kind),
    outcomes: new ByLabel(admitWord, (outcome) => calls(kind, outcome)),
  }))
  const byMethod = new ByLabel(
    admitMethod,
    (method) =>
      new ByLabel(admitRoute, (route) => ({
        seconds: requestSeconds.labels(method, route),
        statuses: new ByLabel(admitStatus, (status) => requests(method, route, status)),
      })),
  )
  const byPeerKind = new ByLabel(
    admitPeerKind,
    (kind) => new ByLabel(admitPeerOutcome, (outcome) => peers(kind, outcome)),
  )
  const byLimit = new ByLabel(admitLimits(), (limit) => limits(limit))
  for (const outcome of CONNECTION_OUTCOMES) byOutcome.of(outcome)
  for (const from of MESSAGE_SOURCES) bySource.of(from)

  return {
    connectionOpened: (outcome) => {
      byOutcome.of(outcome).value += 1
    },
    connectionClosed: (reason) => {
      byReason.of(reason).value += 1
    },
    connectionRefused: (code) => {
      byRefusal.of(code).value += 1
    },
    messageReceived: (from) => {
      bySource.of(from).value += 1
    },
    messageDelivered: (count, bytes) => {
      delivered.value += count
      deliveredBytes.value += count * bytes
    },
    publishToSocket: (seconds) => toSocket.observe(seconds),
    clientEvent: (kind, outcome, seconds) => {
      const event = byEvent.of(kind)
      event.outcomes.of(outcome).value += 1
      event.seconds.observe(seconds)
    },
    errorAnswered: (code, edge) => {
      byEdge.of(edge).of(code).value += 1
    },
    backendCall: (kind, outcome, seconds) => {
      const call = byKind.of(kind)
      call.outcomes.of(outcome).value += 1
      call.seconds.observe(seconds)
    },
    httpRequest: (method, route, status, seconds) => {
      const request = byMethod.of(method).of(route)
      request.statuses.of(String(status)).value += 1
      request.seconds.observe(seconds)
    },
    limitHit: (limit) => {
      byLimit.of(limit).value += 1
    },
    replayed: (messages) => replays.observe(messages),
    peerMessage: (kind, outcome) => {
      byPeerKind.of(kind).of(outcome).value += 1
    },
    observe: observedGauges(registry),
  }
}

const runtime = (): string => {
  const { deno, node } = process.versions
  return deno === undefined ? `node ${node}` : `deno ${deno}`
}

/** Metrics in a registry of their own, and their text. Names and meanings: docs/metrics.md. */
export const prometheusMetrics = (options: {
  readonly version: string
  readonly node: string
}): Layer.Layer<Metrics | PrometheusText> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const registry = new Registry()
      new Gauge({
        name: "roomcast_build_info",
        help: "1, with what is running.",
        labelNames: ["version", "runtime", "node"],
        registers: [registry],
      }).set({ version: options.version, runtime: runtime(), node: options.node }, 1)
      yield* processMetrics(registry)
      const render = async () => ({ contentType: registry.contentType, body: await registry.metrics() })
      return Context.make(Metrics, make(registry)).pipe(Context.add(PrometheusText, { render }))
    }),
  )
