import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Socket } from "socket.io"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { type Opened, openConnection } from "#application/use-cases/open-connection.ts"
import { startConnection } from "#application/use-cases/start-connection.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { type Declined, ERRORS, errorBody, Refusal } from "#domain/errors.ts"
import { ClientEvents, type ClientEventsOptions } from "./client-events.ts"
import { cutConnection } from "./cut-connection.ts"
import { forgetHandshake } from "./forget-request.ts"
import { LOG } from "./log.ts"
import type { OutgoingBuffer } from "./outgoing-buffer.ts"
import { type LinkOptions, SocketLink } from "./socket-link.ts"

export interface ConnectOptions extends LinkOptions, ClientEventsOptions {
  readonly addressOf: (socket: Socket) => string
}

/** A refusal that may pass holds the client for this long, so that its retries, which restart their backoff, are spread. */
const WAIT_MS = 3_000

const ENDED: ReadonlySet<string> = new Set([CLOSINGS.revoked.code, CLOSINGS.disconnected.code])

const field = (auth: unknown, name: string): unknown =>
  typeof auth === "object" && auth !== null && Object.hasOwn(auth, name) ? Reflect.get(auth, name) : undefined

/** `auth.token`, else the `Authorization: Bearer` header, else none. */
const tokenOf = ({ auth, headers }: Socket["handshake"]): string | undefined => {
  const token = field(auth, "token")
  if (typeof token === "string") return token
  const bearer = /^Bearer ([^\s]+)$/i.exec(headers.authorization ?? "")
  return bearer?.[1]
}

/**
 * One Socket.IO client from its CONNECT to its end. `admit` is the one middleware of the namespace: token and session are
 * decided before CONNECT is answered; `serve` follows the answer.
 */
export class ClientSession {
  readonly link: SocketLink
  private readonly events: ClientEvents
  private opened: Opened | undefined
  /** Why it ended, where it did: that can be before there is anything to undo. */
  private ended: string | undefined
  private readonly socket: Socket
  private readonly options: ConnectOptions

  constructor(socket: Socket, buffer: OutgoingBuffer, options: ConnectOptions) {
    this.socket = socket
    this.options = options
    this.link = new SocketLink(socket, field(socket.handshake.auth, "meta") !== false, buffer, options)
    this.events = new ClientEvents(this.link, options)
    socket.conn.on("close", (reason: string) => this.end(reason))
  }

  /** Calls `next` once; never where the engine connection is closed instead, as it may be before this. */
  admit(next: (error?: Error) => void): void {
    if (this.socket.conn.readyState === "closed") return
    const { auth } = this.socket.handshake
    const command = {
      connectionId: this.socket.id,
      token: tokenOf(this.socket.handshake),
      sessionId: field(auth, "pid"),
      position: field(auth, "offset"),
      meta: field(auth, "meta") !== false,
      address: this.options.addressOf(this.socket),
      transport: this.socket.conn.transport.name,
      link: this.link,
    }
    // Socket.IO keeps what CONNECT brought for as long as the connection lives: a token, and whatever else was put there.
    this.socket.handshake.auth = {}
    this.options.run(openConnection(command), {
      onExit: (exit) => {
        if (Exit.isFailure(exit)) return this.refuse(exit.cause, next)
        if (this.ended !== undefined) return this.end(this.ended)
        this.opened = exit.value
        const { connection, recovered } = exit.value
        Object.assign(this.socket, { pid: connection.session?.id, recovered })
        next()
      },
    })
  }

  /** CONNECT was answered. */
  serve(): void {
    const { opened, socket } = this
    if (opened === undefined || this.link.connection?.closed === true) {
      cutConnection(socket.conn)
      return
    }
    socket.onAny((event: unknown, ...args: unknown[]) => this.events.take(event, args))
    socket.on("disconnect", (reason) => {
      this.end(reason)
      socket.conn.close()
    })
    if (this.link.closing?.reconnect === false) {
      socket.disconnect(true)
      return
    }
    const { name: transport } = socket.conn.transport
    if (transport !== opened.connection.transport) this.changeTransport(transport)
    if (transport !== "websocket")
      socket.conn.on("upgrade", ({ name }: { readonly name: string }) => this.changeTransport(name))
    forgetHandshake(socket)
    this.options.run(startConnection(opened), {
      onExit: (exit) => {
        if (Exit.isSuccess(exit)) return this.events.start(opened.connection)
        const [failed] = exit.cause.reasons.filter(Cause.isFailReason)
        if (failed?.error._tag === "session_taken") return this.link.close(CLOSINGS.sessionTaken)
        if (failed?.error._tag === "slow_consumer") return this.link.close(CLOSINGS.slowConsumer)
        // Who went away meanwhile is no failure.
        if (failed === undefined || !opened.connection.closed) this.log(exit.cause)
        this.link.close(CLOSINGS.engineUnavailable)
      },
    })
  }

  private changeTransport(name: string): void {
    const { connection } = this.link
    if (connection === undefined) return
    connection.transport = name
    const change = Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      yield* directory.changeTransport(connection.id, name)
    })
    this.options.run(change, { onExit: (exit) => Exit.isFailure(exit) && this.log(exit.cause) })
  }

  private refuse(cause: Cause.Cause<Refusal | Declined>, next: (error?: Error) => void): void {
    const failed = cause.reasons.find(Cause.isFailReason)
    if (failed === undefined) this.log(cause)
    const refusal = failed?.error ?? new Refusal("internal", ERRORS.internal.title)
    this.options.metrics.connectionRefused(refusal._tag)
    const { code } = errorBody(refusal)
    const refused = { connectionId: this.socket.id, code, reason: refusal.message }
    this.options.run(Effect.annotateLogs(Effect.logInfo("client refused", refused), LOG), { onExit: () => undefined })
    this.end(refusal._tag)
    if (refusal._tag !== "declined" && ERRORS[refusal._tag].temporary) {
      const timer = setTimeout(() => this.socket.conn.close(), WAIT_MS + Math.random() * WAIT_MS)
      this.socket.conn.once("close", () => clearTimeout(timer))
      return
    }
    next(Object.assign(new Error(refusal.message), { data: errorBody(refusal) }))
  }

  private end(reason: string): void {
    this.ended ??= reason
    this.events.stop()
    this.link.ended()
    const { connection } = this.link
    if (connection === undefined || connection.closed) return
    const code = this.link.closing?.code ?? reason
    const outcome = code === CLOSINGS.sessionTaken.code ? "taken" : ENDED.has(code) ? "ended" : "kept"
    this.options.run(closeConnection({ connection, reason: code, outcome }), {
      onExit: (exit) => Exit.isFailure(exit) && this.log(exit.cause),
    })
  }

  private log(cause: Cause.Cause<unknown>): void {
    const connectionId = this.socket.id
    this.options.run(Effect.annotateLogs(Effect.logError("a connection failed", { connectionId }, cause), LOG), {
      onExit: () => undefined,
    })
  }
}
