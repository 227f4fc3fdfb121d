import { compilePatterns } from "#domain/pattern.ts"
import type { ParsedConfig } from "./config-schema.ts"

/** What is allowed and yet hardly meant: it starts, and says so. */
type Doubt = (config: ParsedConfig, production: boolean) => readonly string[]

const shortHistory: Doubt = ({ recovery, rooms = [] }) =>
  rooms
    .filter(({ history }) => history !== undefined && history.size > 0 && history.ttl < recovery.window)
    .map(
      ({ match }) => `rooms "${match}" keep messages for less than recovery.window: who is away longer cannot recover`,
    )

const longGrace: Doubt = ({ presence, recovery }) =>
  presence.grace > recovery.window
    ? ["presence.grace is longer than recovery.window: who comes back after the window is a new member all the same"]
    : []

const smallBuffer: Doubt = ({ limits: { bufferBytes, payloadBytes } }) =>
  bufferBytes > 0 && (payloadBytes === 0 || payloadBytes > bufferBytes)
    ? ["limits.bufferBytes is smaller than limits.payloadBytes: the largest messages close whom they are sent to"]
    : []

const nobodyToAsk: Doubt = ({ rooms = [], events, webhooks: { endpoints } }) => {
  const isAsked = (kind: string): boolean => endpoints.some((endpoint) => compilePatterns(endpoint.events)(kind))
  const refused = "no endpoint in webhooks.endpoints is asked, so it is refused"
  return [
    ...(isAsked("room.join") ? [] : rooms.filter(({ join }) => join === "backend")).map(
      ({ match }) => `rooms "${match}": join is for the backend to allow, and ${refused}`,
    ),
    ...(isAsked("room.publish") ? [] : rooms.filter(({ publish }) => publish === "backend")).map(
      ({ match }) => `rooms "${match}": publish is for the backend to allow, and ${refused}`,
    ),
    ...(endpoints.length > 0 ? [] : events).map(
      ({ match }) => `events "${match}" are forwarded, and ${refused} where no handler module takes it`,
    ),
  ]
}

const withoutTls: Doubt = ({ jwt, webhooks }, production) =>
  [...(jwt.jwksUrl === undefined ? [] : [jwt.jwksUrl]), ...webhooks.endpoints.map(({ url }) => url)]
    .map((url) => new URL(url))
    .filter(
      ({ protocol, hostname }) => production && protocol === "http:" && !/^(localhost$|127\.|\[::1\])/.test(hostname),
    )
    .map(({ origin }) => `${origin} is reached without TLS`)

const openOrigins: Doubt = ({ http }, production) => {
  if (!production) return []
  if (http.origins.length === 0) return ["http.origins is empty: no browser's page may connect, your own included"]
  return http.origins.includes("*") ? ["http.origins lets pages of every origin connect"] : []
}

const openLogs: Doubt = ({ log }, production) =>
  production && !log.redact ? ["log.redact is false: logs may hold tokens, message data and addresses"] : []

const noRooms: Doubt = ({ rooms = [] }, production) =>
  production && rooms.length === 0 ? ["no rooms are configured: every room is refused"] : []

const unusedRedis: Doubt = ({ engine, redis }) =>
  engine === "memory" && redis.url !== undefined
    ? ["redis.url is not used: engine is memory; with engine: redis nodes share their state"]
    : []

const DOUBTS: readonly Doubt[] = [
  unusedRedis,
  shortHistory,
  longGrace,
  smallBuffer,
  nobodyToAsk,
  withoutTls,
  openOrigins,
  openLogs,
  noRooms,
]

export const doubts: Doubt = (config, production) => DOUBTS.flatMap((doubt) => doubt(config, production))
