import type { NoticeKind, QuestionKind } from "#application/ports/backend.ts"
import type { Metrics } from "#application/ports/metrics.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { ERRORS } from "#domain/errors.ts"
import { type Admit, firstFew, oneOf } from "./label-values.ts"

type Port = Metrics["Service"]
/** Written as records so that a word that the port gains or loses does not compile here until it is told. */
const OUTCOMES: Record<Parameters<Port["connectionOpened"]>[0], true> = {
  fresh: true,
  recovered: true,
  not_recovered: true,
}
const SOURCES: Record<Parameters<Port["messageReceived"]>[0], true> = { client: true, backend: true, handler: true }
const EVENT_KINDS: Record<Parameters<Port["clientEvent"]>[0], true> = {
  gateway: true,
  application: true,
  unknown: true,
}
const EDGES: Record<Parameters<Port["errorAnswered"]>[1], true> = { socketio: true, http: true }

const BACKEND_KINDS: Record<QuestionKind | NoticeKind, true> = {
  "connection.connect": true,
  "connection.disconnect": true,
  "message.received": true,
  "presence.joined": true,
  "presence.left": true,
  "room.join": true,
  "room.publish": true,
}

const PEER_KINDS: Record<Parameters<Port["peerMessage"]>[0], true> = {
  emit: true,
  request: true,
  change: true,
  answer: true,
}
const PEER_OUTCOMES: Record<Parameters<Port["peerMessage"]>[1], true> = { ok: true, refused: true, failed: true }

export const CONNECTION_OUTCOMES = Object.keys(OUTCOMES)
export const MESSAGE_SOURCES = Object.keys(SOURCES)
export const admitConnectionOutcome: Admit = oneOf(CONNECTION_OUTCOMES)
export const admitSource: Admit = oneOf(MESSAGE_SOURCES)
export const admitEventKind: Admit = oneOf(Object.keys(EVENT_KINDS))
export const admitPeerKind: Admit = oneOf(Object.keys(PEER_KINDS))
export const admitPeerOutcome: Admit = oneOf(Object.keys(PEER_OUTCOMES))
export const admitEdge: Admit = oneOf(Object.keys(EDGES))

const CODES = Object.keys(ERRORS)

/** Why a transport says that a connection ended: socket.io's `DisconnectReason`. */
const TRANSPORT_REASONS = [
  "client namespace disconnect",
  "forced close",
  "forced server close",
  "parse error",
  "ping timeout",
  "server namespace disconnect",
  "server shutting down",
  "transport close",
  "transport error",
]

/** What a user's backend or handler says in its own words is `declined`. */
export const admitCode: Admit = oneOf([...CODES, "declined"])
export const admitOutcome: Admit = oneOf([...CODES, "declined", "ok"])
export const admitReason: Admit = oneOf([
  ...CODES,
  ...Object.values(CLOSINGS).map((closing) => closing.code),
  ...TRANSPORT_REASONS,
])
export const admitMethod: Admit = oneOf(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"])
export const admitStatus: Admit = (status) => (/^[1-5]\d\d$/.test(status) ? status : "other")
export const admitKind: Admit = oneOf(Object.keys(BACKEND_KINDS))

/** Ours, but written where they are hit; bounded in case a caller's text ever gets there. */
export const admitWords = (): Admit => firstFew(32, /^[a-z][a-z0-9_]{0,39}$/)
export const admitLimits = (): Admit => firstFew(64, /^[a-z][a-zA-Z0-9_]{0,39}$/)
/** Patterns of the router, `/v1/rooms/:room`, never a request's own path. */
export const admitRoutes = (): Admit => firstFew(64, /^\/[\w/:{}*.$?-]{0,99}$/)
