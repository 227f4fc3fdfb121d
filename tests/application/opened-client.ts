import * as Effect from "effect/Effect"
import type { LocalConnection } from "#application/local-connections.ts"
import type { Link, Outgoing } from "#application/ports/link.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import { openConnection } from "#application/use-cases/open-connection.ts"
import { startConnection } from "#application/use-cases/start-connection.ts"
import type { Closing } from "#domain/closing.ts"
import type { Claims } from "#domain/user.ts"

export interface OpenedClient {
  readonly connection: LocalConnection
  /** What it was sent, in order: names of the gateway's own events, names and data of the others. */
  readonly events: string[]
  /** The messages among it. */
  readonly sent: Outgoing[]
  /** Of `session:ready`. */
  readonly ready: Readonly<Record<string, unknown>>
  readonly position: string | undefined
  readonly closings: Closing[]
}

export interface Opening {
  /** The rooms that its token grants. */
  readonly grants?: readonly string[]
  readonly claims?: Partial<Claims>
  /** Its earlier connection, whose session and position it brings. */
  readonly earlier?: OpenedClient
  /** Told of what it does meanwhile: as soon as it is tracked, and each time that it is waited for. */
  readonly opened?: (connection: LocalConnection) => void
  readonly drained?: ReturnType<Link["drained"]>
  /** False: `(data)` alone, without recovery. */
  readonly meta?: boolean
  /** Where its closings are written: one that is not let in has no client to ask. */
  readonly closings?: Closing[]
}

/** A client of ann's connects by a token, as far as a transport takes part in it. */
export const openClient = Effect.fnUntraced(function* (connectionId: string, opening: Opening = {}) {
  const events: string[] = []
  const sent: Outgoing[] = []
  const closings = opening.closings ?? []
  let ready: OpenedClient["ready"] = {}
  let position: string | undefined
  const link: Link = {
    opened: opening.opened ?? (() => {}),
    send: (outgoing) => {
      const { data, event, position: at } = outgoing
      sent.push(outgoing)
      events.push(`${event} ${data}`)
      position = at ?? position
    },
    emit: (event, data, at) => {
      events.push(event)
      if (event === "session:ready") ready = Object(data)
      position = at ?? position
    },
    ask: () => Effect.succeed(undefined),
    drained: () => opening.drained ?? Effect.void,
    close: (closing) => closings.push(closing) === 1,
    bufferedBytes: 0,
    tend: () => {},
  }
  const claims: Claims = {
    userId: "ann",
    expiresAt: 4_000_000_000,
    issuedAt: 1,
    tokenId: undefined,
    rooms: opening.grants ?? [],
    publish: [],
    info: undefined,
    ...opening.claims,
  }
  const verifier = yield* TokenVerifier
  const opened = yield* openConnection({
    connectionId,
    token: "a token",
    sessionId: opening.earlier?.connection.session?.id,
    position: opening.earlier?.position,
    meta: opening.meta ?? true,
    address: "192.0.2.1",
    transport: "websocket",
    link,
  }).pipe(Effect.provideService(TokenVerifier, { ...verifier, verify: () => Effect.succeed(claims) }))
  yield* startConnection(opened)
  const client: OpenedClient = {
    connection: opened.connection,
    events,
    sent,
    closings,
    get ready() {
      return ready
    },
    get position() {
      return position
    },
  }
  return client
})
