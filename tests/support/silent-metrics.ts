import * as Layer from "effect/Layer"
import { type Gauge, Metrics } from "#application/ports/metrics.ts"

const nothing = (): void => {}

const SILENT: Metrics["Service"] = {
  connectionOpened: nothing,
  connectionClosed: nothing,
  connectionRefused: nothing,
  messageReceived: nothing,
  messageDelivered: nothing,
  publishToSocket: nothing,
  clientEvent: nothing,
  errorAnswered: nothing,
  backendCall: nothing,
  httpRequest: nothing,
  limitHit: nothing,
  replayed: nothing,
  peerMessage: nothing,
  observe: nothing,
}

/** Counts nothing. */
export const silentMetrics: Layer.Layer<Metrics> = Layer.succeed(Metrics, SILENT)

type Calls = {
  readonly [K in Exclude<keyof Metrics["Service"], "limitHit" | "observe">]: Parameters<Metrics["Service"][K]>[]
}

export interface RecordedMetrics {
  readonly layer: Layer.Layer<Metrics>
  /** The arguments of each call, by method. */
  readonly calls: Calls
  /** The limits that were hit, in order. */
  readonly hits: string[]
  /** What a gauge reads now; undefined: nobody observes it. */
  readonly gauge: (gauge: Gauge) => number | undefined
}

/** Keeps every call, for a test to look at. */
export const recordingMetrics = (): RecordedMetrics => {
  const calls: Calls = {
    connectionOpened: [],
    connectionClosed: [],
    connectionRefused: [],
    messageReceived: [],
    messageDelivered: [],
    publishToSocket: [],
    clientEvent: [],
    errorAnswered: [],
    backendCall: [],
    httpRequest: [],
    replayed: [],
    peerMessage: [],
  }
  const hits: string[] = []
  const gauges = new Map<Gauge, () => number>()
  const layer = Layer.succeed(Metrics, {
    connectionOpened: (...args) => void calls.connectionOpened.push(args),
    connectionClosed: (...args) => void calls.connectionClosed.push(args),
    connectionRefused: (...args) => void calls.connectionRefused.push(args),
    messageReceived: (...args) => void calls.messageReceived.push(args),
    messageDelivered: (...args) => void calls.messageDelivered.push(args),
    publishToSocket: (...args) => void calls.publishToSocket.push(args),
    clientEvent: (...args) => void calls.clientEvent.push(args),
    errorAnswered: (...args) => void calls.errorAnswered.push(args),
    backendCall: (...args) => void calls.backendCall.push(args),
    httpRequest: (...args) => void calls.httpRequest.push(args),
    replayed: (...args) => void calls.replayed.push(args),
    peerMessage: (...args) => void calls.peerMessage.push(args),
    limitHit: (limit) => void hits.push(limit),
    observe: (gauge, read) => void gauges.set(gauge, read),
  })
  return { layer, calls, hits, gauge: (gauge) => gauges.get(gauge)?.() }
}
