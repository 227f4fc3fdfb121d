import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Metrics } from "#application/ports/metrics.ts"
import {
  EXPELLED_MARGIN_MS,
  RENEWED_EACH_MS,
  SessionStore,
  type StoredSession,
} from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { EnteredBy } from "#domain/grant.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { type Entry, MAX_PAST_IDS, type Session } from "#domain/session.ts"
import { luaScript } from "./lua-script.ts"
import type { NodeLease } from "./node-lease.ts"
import { askRedis } from "./redis-commands.ts"
import { RedisStore, type StoreState } from "./redis-store.ts"

const EXPEL = luaScript("session-expel")
const OPEN = luaScript("session-open")
const READ = luaScript("session-read", "life")
const TAKE = luaScript("session-take")
const WRITE = luaScript("session-write")

/** A dropped session is there a little longer than it can be recovered, so that nobody's clock is in question. */
const MARGIN_MS = 500

/** A session whose node renews it no more is forgotten after this and the window. */
const UNRENEWED_MS = 4 * RENEWED_EACH_MS

/** Rooms that a user was taken out of, past it the oldest is forgotten. */
const MAX_EXPELLED = 1_000

/** Rooms are fields of their own, apart from the others by this. */
const ROOM = "room:"

const ENTERED: readonly EnteredBy[] = ["rule", "claim", "backend", "api"]

const isEnteredBy = (text: string): text is EnteredBy => ENTERED.some((by) => by === text)

const entryText = ({ at, by }: Entry): string => `${at} ${by}`

/** Undefined where there is no session. RESP2 answers a flat list of fields and values, RESP3 a map of them. */
const fieldsOf = (answer: unknown): ReadonlyMap<string, string> | undefined => {
  const fields = new Map<string, string>()
  if (Array.isArray(answer))
    for (let i = 0; i < answer.length; i += 2) fields.set(String(answer[i]), String(answer[i + 1]))
  else if (typeof answer === "object" && answer !== null)
    for (const [name, value] of Object.entries(answer)) fields.set(name, String(value))
  return fields.size === 0 ? undefined : fields
}

const sessionOf = (id: string, fields: ReadonlyMap<string, string>): Session => {
  const rooms = new Map<RoomName, Entry>()
  for (const [name, value] of fields) {
    const [at = "", by = ""] = value.split(" ")
    // Only what was checked as a room's name was written as one.
    if (name.startsWith(ROOM) && isEnteredBy(by)) rooms.set(name.slice(ROOM.length) as RoomName, { at: Number(at), by })
  }
  const info = fields.get("info")
  return {
    id,
    owner: Number(fields.get("owner")),
    userId: fields.get("user") ?? "",
    node: fields.get("node") ?? "",
    connectionIds: (fields.get("ids") ?? "").split(" "),
    rooms,
    info: info === undefined ? undefined : JSON.parse(info),
  }
}

/** Each session is a hash of its own, and so each step on it one script, wherever it lies in a cluster. */
class Sessions {
  private readonly state: StoreState
  private readonly lease: NodeLease
  private readonly windowMs: number
  private readonly lifeMs: number

  constructor(state: StoreState, lease: NodeLease, windowMs: number) {
    this.state = state
    this.lease = lease
    this.windowMs = windowMs
    this.lifeMs = UNRENEWED_MS + windowMs
  }

  async open(session: Session): Promise<void> {
    const { connectionIds, id, info, node, owner, rooms, userId } = session
    const fields = [
      "owner",
      owner,
      "user",
      userId,
      "node",
      node,
      "ids",
      connectionIds.join(" "),
      "lease",
      this.lease.id,
    ]
    if (info !== undefined) fields.push("info", JSON.stringify(info))
    for (const [room, entry] of rooms) fields.push(ROOM + room, entryText(entry))
    await this.state.commands.script(OPEN, [this.key(id)], [this.lifeMs, ...fields])
  }

  /** What is read of another life of the store is not what was written: whoever asks has met it by then. */
  async read(id: string): Promise<StoredSession | undefined> {
    const { rest } = await this.state.inPartition(this.state.partitionOfSession(id), READ, [this.key(id)], [])
    const [now, flat] = rest
    const fields = fieldsOf(flat)
    if (fields === undefined) return undefined
    const dropped = fields.get("dropped")
    // Whose node died was dropped then.
    const droppedAt = dropped === undefined ? await this.lease.lastSeen(fields.get("lease") ?? "") : Number(dropped)
    return { session: sessionOf(id, fields), droppedAt, now: Number(now) }
  }

  async take(
    read: Session,
    by: { readonly node: string; readonly connectionId: string },
  ): Promise<Session | undefined> {
    const channel = `${this.state.options.prefix}:taken`
    const past = [MAX_PAST_IDS, this.lifeMs]
    const args = [read.owner, read.userId, by.node, by.connectionId, ...past, channel, read.id, this.lease.id]
    const fields = fieldsOf(await this.state.commands.script(TAKE, [this.key(read.id)], args))
    return fields && sessionOf(read.id, fields)
  }

  join(id: string, owner: number, room: RoomName, entry: Entry): Promise<boolean> {
    return this.write(id, owner, "", ["join", ROOM + room, entryText(entry), this.lifeMs])
  }

  leave(id: string, owner: number, room: RoomName): Promise<boolean> {
    return this.write(id, owner, "", ["leave", ROOM + room, this.lifeMs])
  }

  drop(id: string, owner: number, connectionId: string): Promise<boolean> {
    return this.write(id, owner, connectionId, ["drop", this.windowMs + MARGIN_MS])
  }

  async end(id: string, owner: number, connectionId: string): Promise<boolean> {
    return (await this.ask(id, owner, connectionId, ["end"])) !== 0
  }

  async renew(id: string, owner: number): Promise<"renewed" | "taken" | "gone"> {
    const answer = await this.ask(id, owner, "", ["renew", this.lifeMs])
    return answer === 1 ? "renewed" : answer === 0 ? "taken" : "gone"
  }

  /** Answers how many others had to be forgotten. */
  async expel(userId: string, room: RoomName, at: Offset): Promise<number> {
    const keptMs = this.windowMs + EXPELLED_MARGIN_MS
    const args = [room, at, at - keptMs * 1000, MAX_EXPELLED, keptMs]
    return Number(await this.state.commands.script(EXPEL, [this.expelledKey(userId)], args))
  }

  async expelledAt(userId: string, rooms: readonly RoomName[]): Promise<ReadonlyMap<RoomName, Offset>> {
    const found = new Map<RoomName, Offset>()
    if (rooms.length === 0) return found
    const offsets = await this.state.commands.run("ZMSCORE", this.expelledKey(userId), ...rooms)
    if (!Array.isArray(offsets)) throw new Error(`ZMSCORE answered ${typeof offsets}`)
    for (const [i, room] of rooms.entries()) if (offsets[i] !== null) found.set(room, Number(offsets[i]))
    return found
  }

  private expelledKey(userId: string): string {
    return this.state.partitionOfSession(userId).expelledKey(userId)
  }

  private async write(id: string, owner: number, connectionId: string, what: (string | number)[]): Promise<boolean> {
    return (await this.ask(id, owner, connectionId, what)) === 1
  }

  private async ask(id: string, owner: number, connectionId: string, what: (string | number)[]): Promise<number> {
    return Number(await this.state.commands.script(WRITE, [this.key(id)], [owner, connectionId, ...what]))
  }

  private key(id: string): string {
    return this.state.partitionOfSession(id).sessionKey(id)
  }
}

export const redisSessionStore: Layer.Layer<SessionStore, never, Metrics | RedisStore | Settings> = Layer.effect(
  SessionStore,
  Effect.gen(function* () {
    const { lease, state } = yield* RedisStore
    const { recovery } = yield* Settings
    const { limitHit } = yield* Metrics
    const sessions = new Sessions(state, lease, recovery.windowMs)
    return {
      open: (session) => askRedis(() => sessions.open(session)),
      read: (id) => askRedis(() => sessions.read(id)),
      take: (read, by) => askRedis(() => sessions.take(read, by)),
      join: (id, owner, room, entry) => askRedis(() => sessions.join(id, owner, room, entry)),
      leave: (id, owner, room) => askRedis(() => sessions.leave(id, owner, room)),
      drop: (id, owner, connectionId) => askRedis(() => sessions.drop(id, owner, connectionId)),
      renew: (id, owner) => askRedis(() => sessions.renew(id, owner)),
      end: (id, owner, connectionId) => askRedis(() => sessions.end(id, owner, connectionId)),
      expel: (userId, room, at) =>
        Effect.map(
          askRedis(() => sessions.expel(userId, room, at)),
          (forgotten) => {
            if (forgotten > 0) limitHit("expulsions")
          },
        ),
      expelledAt: (userId, rooms) => askRedis(() => sessions.expelledAt(userId, rooms)),
    }
  }),
)
