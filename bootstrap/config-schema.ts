import { z } from "zod"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import {
  eventPatternFault,
  isAdvertised,
  isHost,
  isHttpUrl,
  isKeyHash,
  isNetwork,
  isNodeId,
  isOrigin,
  isPublicKey,
  isWebhookSecret,
  patternFault,
  roomPatternFault,
} from "./config-formats.ts"
import { checkedText, duration, flag, list, oneOf, secretText, text, texts, whole } from "./config-leaf.ts"
import { log } from "./config-log.ts"
import { redis } from "./config-redis.ts"

const notEmpty = (value: string): boolean => value.trim() !== ""
const isSecret = (value: string): boolean => value !== "" && value === value.trim()
const WHSEC =
  "whsec_ and base64 (`roomcast key --signing` makes one); in production of 24 bytes or more that nobody can guess"
const NO_LIMIT = "; 0 = no limit"

const history = z.strictObject({
  size: whole("Most messages that a room keeps; 0 keeps none.", 0, 100_000),
  ttl: duration("How long a room keeps a message.", "1s", "30d"),
})

const usersHistory = z.strictObject({
  size: history.shape.size.default(100),
  ttl: history.shape.ttl.prefault("1h"),
})

const roomRule = z.strictObject({
  match: checkedText(
    "Which rooms it is about.",
    "a pattern of 1-200 bytes without spaces; * is any run",
    roomPatternFault,
  ),
  join: oneOf(
    "Who joins: anyone; whose token's `rooms` says so; whom the backend lets in, asked by webhook; nobody but by the HTTP API.",
    ["anyone", "token", "backend", "nobody"],
  ),
  publish: oneOf(
    "Which clients publish: members; whose token's `publish` says so; whom the backend lets, asked by webhook; none.",
    ["members", "token", "backend", "nobody"],
  ).default("nobody"),
  presence: flag("Members are told who comes and goes.").default(false),
  history: history.describe("What the room keeps; without it messages cannot be recovered.").optional(),
})

const eventRule = z.strictObject({
  match: checkedText("Which events it is about.", "a pattern of 1-200 bytes; * is any run", eventPatternFault),
  forward: oneOf("rpc: the backend's answer is the ack.", ["rpc"], " (queue comes later)"),
  timeout: duration("How long the backend may take.", "10ms", "5m").prefault("5s"),
})

const key = z
  .strictObject({
    id: text("Its name in logs and limits.", "1-64 letters, digits, . _ -", (id) => /^[\w.-]{1,64}$/.test(id)),
    hash: secretText(
      "An API key's hash.",
      "sha256: and 43 characters of base64url (`roomcast key` prints it)",
      isKeyHash,
    ).optional(),
    secret: secretText(
      "A secret that signs requests in the Standard Webhooks form.",
      WHSEC,
      isWebhookSecret,
    ).optional(),
    scopes: texts(
      oneOf("A scope.", ["publish", "read", "manage"]),
      "What it may do: push; look up; disconnect, join, revoke and clear.",
      "one or more of publish, read, manage",
    ).min(1),
  })
  .refine((it) => (it.hash === undefined) !== (it.secret === undefined), "either hash or secret")

const endpoint = z.strictObject({
  url: text("Where the backend listens.", "an http or https URL without a user's name", isHttpUrl),
  secret: secretText("Signs what it is sent.", WHSEC, isWebhookSecret),
  events: texts(
    checkedText("A pattern.", "a pattern of 1-200 bytes; * is any run", patternFault),
    "Patterns over the webhook's kind, or for `message.received` over the event's name. `connection.connect` must be named: * does not reach it.",
    "one or more patterns",
  )
    .min(1)
    .prefault(["*"]),
  timeout: duration(
    "The most that a question or one try of a notice takes; an rpc's rule may give less. 10s where it says nothing.",
    "10ms",
    "5m",
  ).optional(),
})

const limit = (about: string, max: number) => whole(about, 0, max, NO_LIMIT)

const limits = z.strictObject({
  connectionsPerNode: limit("Connections of one node.", 10_000_000).default(DEFAULT_LIMITS.connectionsPerNode),
  connectionsPerUser: limit("Connections of one user.", 1_000_000).default(DEFAULT_LIMITS.connectionsPerUser),
  connectsPerSecondPerAddress: limit("Handshakes a second from one address.", 1_000_000).default(
    DEFAULT_LIMITS.connectsPerSecondPerAddress,
  ),
  eventsPerSecond: limit("Events a second of one connection.", 1_000_000).default(DEFAULT_LIMITS.eventsPerSecond),
  eventsInFlight: limit("Events of one connection that wait for their answer.", 10_000).default(
    DEFAULT_LIMITS.eventsInFlight,
  ),
  roomsPerConnection: limit("Rooms of one connection.", 100_000).default(DEFAULT_LIMITS.roomsPerConnection),
  payloadBytes: limit("One message's data, as JSON.", 104_857_600).default(DEFAULT_LIMITS.payloadBytes),
  bufferBytes: limit("What waits for one client that is slow to read.", 1_073_741_824).default(
    DEFAULT_LIMITS.bufferBytes,
  ),
  pushesPerSecond: limit("Messages a second pushed with one API key.", 1_000_000).default(
    DEFAULT_LIMITS.pushesPerSecond,
  ),
  targetsPerMessage: limit("Rooms, users and connections that one push names.", 100_000).default(
    DEFAULT_LIMITS.targetsPerMessage,
  ),
})

const jwt = z.strictObject({
  secret: secretText(
    "Checks HS256, HS384 and HS512 tokens.",
    "text without spaces around it; in production 32 bytes or more that nobody can guess",
    isSecret,
  ).optional(),
  publicKey: secretText(
    "Checks tokens that were signed with its private key.",
    "a PEM public key (-----BEGIN PUBLIC KEY-----), or a public JWK as JSON; no private or symmetric key",
    isPublicKey,
  ).optional(),
  jwksUrl: text(
    "A key set (RFC 7517) that checks tokens.",
    "an http or https URL without a user's name",
    isHttpUrl,
  ).optional(),
  issuer: text("The `iss` that tokens must have.", "text", notEmpty).optional(),
  audience: text("The `aud` that tokens must have.", "text", notEmpty).optional(),
  apiAudience: text(
    "The `aud` of tokens for the HTTP API; without it there are none.",
    "text, other than jwt.audience",
    notEmpty,
  ).optional(),
  clockTolerance: duration("How far the issuer's clock may be off.", "0s", "10m").prefault("30s"),
  maxLifetime: duration(
    "No token is accepted that lives longer; revocations are kept for as long.",
    "1m",
    "366d",
  ).prefault("24h"),
  anonymous: flag("Lets connections without a token in, as users named `anonymous:<id>`.").default(false),
})

/** The whole configuration, as it is written. Durations come out in ms. */
export const configSchema = z.strictObject({
  port: whole("Where it listens; 0 is any free port.", 0, 65_535).default(8137),
  host: text(
    "The address it listens at. In production 0.0.0.0, else 127.0.0.1.",
    "an IP address or a host's name",
    isHost,
  ).optional(),
  engine: oneOf("Where shared state lives: in this one node, or in Redis, for any number of nodes.", [
    "memory",
    "redis",
  ]).default("memory"),
  advertise: text(
    "Where the other nodes reach this one. Made from host and port: in production, where it listens at every address, the machine's first one.",
    'http:// with a host and a port, such as "http://10.0.0.1:8137"',
    isAdvertised,
  ).optional(),
  nodeId: text(
    "This node's name, unlike any other's; else one is made.",
    "1-63 letters, digits, . _ -, first a letter or digit",
    isNodeId,
  ).optional(),
  handlers: text("A directory of handler modules, loaded at start.", "a path", notEmpty).optional(),
  handlerTimeout: duration("How long a handler may take that names no time-out of its own.", "10ms", "5m").prefault(
    "5s",
  ),
  jwt: jwt.describe("Who clients are. One of secret, publicKey and jwksUrl.").prefault({}),
  http: z
    .strictObject({
      origins: texts(
        text("An origin.", 'an origin such as "https://app.example", or "*"', isOrigin),
        "Origins of the pages that may connect, your own included. Outside production every one may.",
        'origins such as "https://app.example", or "*"',
      ).prefault([]),
      trustedProxies: texts(
        text("A network.", 'an address or a network such as "10.0.0.0/8"', isNetwork),
        "Proxies whose X-Forwarded-For is believed.",
        'addresses and networks such as "10.0.0.0/8"',
      ).prefault([]),
    })
    .describe("Who may reach it.")
    .prefault({}),
  redis: redis.describe("What the redis engine needs.").prefault({}),
  apiKey: secretText(
    "One API key with every scope, as it is.",
    "text without spaces around it; in production 24 characters or more that nobody can guess",
    isSecret,
  ).optional(),
  keys: list(key, "Credentials of the HTTP API.", "a list of { id, hash or secret, scopes }").prefault([]),
  rooms: list(
    roomRule,
    "Rules of rooms: the first match wins; what no rule matches is refused. Outside production, where there are none at all, every room is open to anyone.",
    "a list of { match, join, publish, presence, history }",
  ).optional(),
  users: z
    .strictObject({ history: usersHistory.describe("What it keeps.").prefault({}) })
    .describe("Each user's own room.")
    .prefault({}),
  everybody: z
    .strictObject({ history: history.describe("What it keeps; without it, nothing.").optional() })
    .describe("The room of everybody.")
    .prefault({}),
  recovery: z
    .strictObject({
      window: duration("How long a dropped session is kept.", "0s", "24h").prefault("2m"),
      maxMessages: whole("Most messages of one replay, over all rooms of a connection.", 1, 100_000).default(1_000),
    })
    .describe("Dropped connections.")
    .prefault({}),
  presence: z
    .strictObject({
      grace: duration("Who comes back within it was never away.", "0s", "1h").prefault("5s"),
    })
    .describe("Who comes and goes.")
    .prefault({}),
  events: list(
    eventRule,
    "Rules of the application's own events that no handler module takes: the first match wins.",
    "a list of { match, forward, timeout }",
  ).prefault([]),
  limits: limits.describe("Bounds; 0 = no limit.").prefault({}),
  webhooks: z
    .strictObject({
      endpoints: list(
        endpoint,
        "A question goes to the first that matches, a notice to all.",
        "a list of { url, secret, events }",
      ).prefault([]),
    })
    .describe("The backend.")
    .prefault({}),
  log: log.describe("Logs.").prefault({}),
  metrics: z
    .strictObject({
      token: secretText(
        "`/metrics` asks for it as a bearer token; without it, for none.",
        "text without spaces around it; in production 16 characters or more that nobody can guess",
        isSecret,
      ).optional(),
    })
    .describe("Metrics.")
    .prefault({}),
  drain: z
    .strictObject({
      time: duration("The most that closing the connections takes at SIGTERM.", "0s", "10m").prefault("15s"),
    })
    .describe("Ending.")
    .prefault({}),
})

export type ConfigInput = z.input<typeof configSchema>
export type ParsedConfig = z.output<typeof configSchema>
