import { setImmediate as nextTurn } from "node:timers/promises"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { openGateOrClose } from "#application/connection-gate.ts"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { joinRoom } from "#application/use-cases/join-room.ts"
import { leaveRoom } from "#application/use-cases/leave-room.ts"
import { type Opened, openConnection } from "#application/use-cases/open-connection.ts"
import { startConnection } from "#application/use-cases/start-connection.ts"
import { tendConnections } from "#application/use-cases/tend-connections.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import { CLOSINGS } from "#domain/closing.ts"
import type { Refusal } from "#domain/errors.ts"
import type { Message } from "#domain/message.ts"
import { type Offset, parsePosition } from "#domain/offset.ts"
import { type RoomName, userRoom } from "#domain/room.ts"
import { ModelClient, type Witness } from "./model-client.ts"
import { ModelLink } from "./model-link.ts"
import { MAX_MISSED, type ModelNode, modelNode, WINDOW_MS } from "./model-node.ts"
import { ModelSession } from "./model-session.ts"

const ENDED: ReadonlySet<string> = new Set([CLOSINGS.revoked.code, CLOSINGS.disconnected.code])
const NEEDS_TOKEN = ["token-c" as RoomName]
const CLIENTS = [
  ["ann-1", "ann"],
  ["ann-2", "ann"],
  ["ben-1", "ben"],
] as const

/** What a client brought back when it connected, and the rooms that its session was in then. */
interface Asked {
  readonly pid: string | undefined
  readonly position: Offset | undefined
  readonly rooms: ReturnType<ModelSession["rooms"]>
}

/** A node, its clients, and everything that may happen to them; notes what must not. */
export class ModelWorld {
  readonly clients: readonly ModelClient[]
  readonly violations: string[] = []
  readonly seen = new Map<string, number>()
  private readonly node: ModelNode
  private readonly local: LocalConnections["Service"]
  private readonly sessions = new Map<string, ModelSession>()
  private readonly links: ModelLink[] = []
  private connects = 0
  private messages = 0

  private constructor(node: ModelNode) {
    this.node = node
    this.local = Context.get(node.context, LocalConnections)
    const witness: Witness = {
      sessionOf: (pid) => this.sessions.get(pid),
      said: () => node.published,
      nowMs: node.nowMs,
      violated: (what) => this.violations.push(what),
      happened: (what) => this.count(what),
    }
    this.clients = CLIENTS.map(([name, userId]) => new ModelClient(name, userId, witness))
  }

  static async make(): Promise<ModelWorld> {
    return new ModelWorld(await modelNode())
  }

  stop(): Promise<void> {
    return this.node.stop()
  }

  /** Waits until nothing happens any more but what waits for its turn, and looks at what has become of the rooms. */
  async rest(): Promise<void> {
    for (let before = -1, quiet = 0; quiet < 2; quiet = before === this.node.turns.changes ? quiet + 1 : 0) {
      before = this.node.turns.changes
      await nextTurn()
    }
    for (const connection of this.local.byId.values()) this.look(connection)
    this.violations.push(...this.node.defects.splice(0))
  }

  publish(more: Partial<Message> & { readonly rooms: readonly RoomName[] }): void {
    const { rules } = Context.get(this.node.context, Settings)
    const message: Message = {
      id: `m${++this.messages}`,
      event: "said",
      data: "null",
      ts: this.node.nowMs(),
      sender: undefined,
      except: undefined,
      volatile: false,
      expiresAt: undefined,
      ...more,
    }
    Effect.runSync(
      this.node.engine.publish({ message, histories: more.rooms.map(rules.historyOf), idempotency: undefined }),
    )
  }

  /** A client (re)connects, as it does when its network was lost: the gateway may still hold its old connection. */
  connect(client: ModelClient, granted: boolean): void {
    if (client.link !== undefined) client.link.cut = true
    const link = new ModelLink(
      (connection) => this.look(connection),
      (closing) => this.node.run(this.node.turns.wait, () => closing.end("transport close")),
      (ended, reason) => this.ended(ended, reason),
    )
    this.links.push(link)
    client.link = link
    client.ready = false
    const position = parsePosition(client.position)?.offsets[0]
    if (!granted)
      for (const room of NEEDS_TOKEN) {
        const kept = client.session?.leave(room)
        if (kept !== undefined) link.whenEnded.push(kept)
      }
    const asked = { pid: client.pid, position, rooms: client.session?.rooms() ?? [] }
    const command = {
      connectionId: `c${++this.connects}`,
      token: `${client.userId}${granted ? "+" : ""}`,
      sessionId: client.pid,
      position: client.position,
      meta: true,
      address: "192.0.2.1",
      transport: "websocket",
      link,
    }
    client.session?.askers.add(command.connectionId)
    this.node.run(openConnection(command), (exit) => {
      if (Exit.isFailure(exit)) return link.end("refused")
      this.serve(link, exit.value, asked)
    })
  }

  /** The client's network is gone, with everything that it had not taken. */
  cut(client: ModelClient): void {
    if (client.link === undefined) return
    client.link.cut = true
    client.link.wire.length = 0
  }

  /** The gateway sees that a client is gone. */
  notice(pick: number): void {
    const gone = this.links.filter(({ cut, ended }) => cut && !ended)
    gone[pick % Math.max(1, gone.length)]?.end("transport close")
  }

  sendAway(client: ModelClient): void {
    client.link?.connection?.link.close(CLOSINGS.disconnected)
  }

  /** The client asks for it by an event. */
  join(client: ModelClient, room: RoomName): void {
    client.session?.wanted.add(room)
    const join = (connection: LocalConnection) =>
      Effect.tap(joinRoom({ connection, room, since: undefined, recent: undefined }), () =>
        Effect.sync(() => this.joined(connection, room)),
      )
    this.onEvent(client, join, true)
  }

  leave(client: ModelClient, room: RoomName): void {
    this.onEvent(
      client,
      (connection) => leaveRoom(connection, room),
      false,
      () => client.session?.leave(room),
    )
  }

  /** The backend asks for it: whatever the client does meanwhile. */
  command(client: ModelClient, change: "join" | "leave", room: RoomName): void {
    const connection = client.link?.connection
    if (connection === undefined || connection.closed || connection.session === undefined) return
    const ended = change === "leave" ? this.sessions.get(connection.session.id)?.leave(room) : undefined
    if (change === "join") this.sessions.get(connection.session.id)?.wanted.add(room)
    const changed: Effect.Effect<unknown, Refusal, Services> =
      change === "join" ? Effect.uninterruptible(enterRoom(connection, room, "api")) : exitRoom(connection, room)
    this.node.run(changed, (exit) => {
      ended?.()
      if (change === "join" && Exit.isSuccess(exit)) this.joined(connection, room)
    })
  }

  private joined(connection: LocalConnection, room: RoomName): void {
    this.look(connection)
    if (connection.session !== undefined) this.sessions.get(connection.session.id)?.joined(room)
  }

  nowMs(): number {
    return this.node.nowMs()
  }

  clear(room: RoomName): void {
    Effect.runSync(this.node.log.clear(room))
  }

  pass(ms: number): Promise<void> {
    return this.node.pass(ms)
  }

  tend(): void {
    this.node.run(tendConnections(), () => {})
    this.node.run(tendDepartures(), () => {})
  }

  /** So many calls to the store get no answer. */
  fail(when: "before" | "after", calls: number): void {
    this.node.turns.failing[when] = calls
  }

  /** Lets something that is under way go on. */
  step(pick: number): void {
    this.node.turns.release(pick)
  }

  /** Everything under way comes to its end, as far as it does not wait for a client. */
  async calm(): Promise<void> {
    for (let turns = 0; this.node.turns.size > 0 && turns < 2_000; turns++) {
      this.node.turns.release(0)
      await this.rest()
    }
  }

  /** Everything under way comes to its end, everybody comes back and takes all that there is: then nothing is missing. */
  async settle(): Promise<void> {
    for (const when of ["before", "after"] as const) this.fail(when, 0)
    for (let round = 0; round < 30; round++) {
      for (let turns = 0; this.node.turns.size > 0 && turns < 20_000; turns++) {
        this.node.turns.release(0)
        await this.rest()
        for (const client of this.clients) client.take()
      }
      await this.rest()
      for (const client of this.clients) while (client.take());
      await this.rest()
      if (this.node.turns.size > 0) continue
      for (const link of this.links) if (link.cut) link.end("transport close")
      const away = this.clients.filter(({ link, ready }) => link?.isUp !== true || !ready)
      if (away.length === 0 && this.node.turns.size === 0) return this.judge()
      for (const client of away) this.connect(client, true)
      await this.rest()
    }
    this.violations.push("it never comes to rest")
  }

  private judge(): void {
    for (const client of this.clients)
      for (const { publish, published } of client.missing(Number.MAX_SAFE_INTEGER))
        this.violations.push(`${client.name} never gets ${publish.message.id} at ${published.offset}`)
    for (const limit of this.node.hits) this.count(limit)
  }

  private serve(link: ModelLink, opened: Opened, asked: Asked): void {
    const { connection, recovered } = opened
    if (link.ended) return
    if (asked.pid !== undefined && !recovered) this.mayBeFresh(asked)
    link.wire.push({ kind: "connect", pid: connection.session?.id, recovered })
    this.node.run(startConnection(opened), (exit) => {
      if (Exit.isSuccess(exit)) {
        link.busy = false
        return this.count("started")
      }
      const [failed] = exit.cause.reasons.filter(Cause.isFailReason)
      if (failed?.error._tag === "session_taken") return link.close(CLOSINGS.sessionTaken)
      if (failed?.error._tag === "slow_consumer") return link.close(CLOSINGS.slowConsumer)
      return link.close(CLOSINGS.engineUnavailable)
    })
  }

  private ended(link: ModelLink, reason: string): void {
    this.count(`closed: ${reason}`)
    for (const run of link.whenEnded) run()
    const { connection } = link
    if (connection === undefined || connection.closed) return
    const outcome = reason === CLOSINGS.sessionTaken.code ? "taken" : ENDED.has(reason) ? "ended" : "kept"
    const model = connection.session === undefined ? undefined : this.sessions.get(connection.session.id)
    if (model !== undefined) {
      model.closedAt = this.node.nowMs()
      if (outcome === "ended") model.sentAway = true
    }
    this.node.run(closeConnection({ connection, reason, outcome }), () => {})
  }

  private onEvent(
    client: ModelClient,
    work: (connection: LocalConnection) => Effect.Effect<unknown, Refusal | { readonly _tag: "declined" }, Services>,
    gated: boolean,
    begun: () => (() => void) | undefined = () => undefined,
  ): void {
    const { link, ready } = client
    const connection = link?.connection
    if (link === undefined || !link.isUp || !ready || connection === undefined || connection.closed || link.busy) return
    link.busy = true
    const ended = begun()
    const done = (): void => {
      link.busy = false
      ended?.()
    }
    this.node.run(work(connection), (exit) => {
      if (Exit.isFailure(exit)) return done()
      if (link.closing === undefined) link.wire.push({ kind: "ack", of: "event" })
      if (gated) this.node.run(openGateOrClose(connection), done)
      else done()
    })
  }

  /** A client that brought its session back got another one: there must be a reason. */
  private mayBeFresh({ pid = "", position, rooms: before }: Asked): void {
    const session = this.sessions.get(pid)
    const now = this.node.nowMs()
    if (session === undefined || session.sentAway || position === undefined) return
    if (session.closedAt !== undefined && now - session.closedAt > WINDOW_MS) return
    let missed = 0
    const known = new Set([...before, ...session.rooms()])
    const knownRooms = new Set(Array.from(known, ({ room }) => room))
    for (const room of session.wanted) if (!knownRooms.has(room)) known.add({ room, from: 0 })
    for (const { room, from } of known) {
      const after = Math.max(from, position)
      const said = this.node.published.filter(
        ({ publish: { histories, message }, published: { offset } }) =>
          offset > after && !message.volatile && histories[message.rooms.indexOf(room)] !== undefined,
      )
      const { rooms } = Effect.runSync(this.node.log.read(0, [{ room, after }], { entries: 1_000, bytes: 1_000_000 }))
      const kept = rooms[0]?.entries.length ?? 0
      missed += kept
      if (kept < said.length || after < (now - this.node.engine.recordTtlMs) * 1_000) return
    }
    if (missed <= MAX_MISSED) this.violations.push(`${pid} was whole, and not recovered`)
  }

  private look(connection: LocalConnection): void {
    const { gate, session } = connection
    if (gate?.overflowed === true) this.count("overflowed")
    if (session === undefined) return
    const model = this.sessions.get(session.id) ?? new ModelSession()
    model.wanted.add(userRoom(connection.userId))
    this.sessions.set(session.id, model)
    if (!connection.closed) model.closedAt = undefined
    const lost = model.look(connection, this.newest())
    if (lost !== undefined) this.violations.push(lost)
  }

  private newest(): Offset {
    return this.node.published.at(-1)?.published.offset ?? 0
  }

  private count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
  }
}
