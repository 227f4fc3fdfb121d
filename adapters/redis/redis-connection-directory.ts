import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { decodeCursor, encodeCursor } from "#application/page-cursor.ts"
import {
  ConnectionDirectory,
  type ConnectionEntry,
  type Located,
  type Page,
  type PageRequest,
  type Registered,
  type RoomEntry,
} from "#application/ports/connection-directory.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { type Member, member } from "#domain/presence.ts"
import { connectionRoom, EVERYBODY, isGatewayRoom, type RoomName, userRoom } from "#domain/room.ts"
import { keysNamed, type LuaScript, luaScript } from "./lua-script.ts"
import { askRedis } from "./redis-commands.ts"
import { RedisStore, type StoreState } from "./redis-store.ts"
import { RepeatedAskings } from "./repeated-askings.ts"

const script = (name: string): LuaScript => luaScript(`directory-${name}`, "directory")
const REGISTER = script("register")
const DEPART = script("depart")
const REMOVE = script("remove")
const TAKE_DEPARTED = script("take-departed")
const CHANGE = script("change")
const CONNECTION_OF = script("connection")
const CONNECTIONS = script("connections")
const ROOMS = script("rooms")
const MEMBERS = script("members")
const LOCATE = script("locate")

const MAX_UNANSWERED = 100

const USER: string = userRoom("")
const CONNECTION: string = connectionRoom("")

const listOf = (answer: unknown): readonly unknown[] => (Array.isArray(answer) ? answer : [])
const infoOf = (text: unknown): unknown => (text === "" ? undefined : JSON.parse(String(text)))

/** Only what was checked as a room's name was entered as one. */
const roomsOf = (answer: unknown): readonly RoomName[] => listOf(answer).map((room) => String(room) as RoomName)

const entryOf = (answer: unknown): ConnectionEntry => {
  const [connectionId, userId, node, transport, address, at, info, rooms] = listOf(answer)
  return {
    ...member(String(userId), String(connectionId), infoOf(info)),
    node: String(node),
    transport: String(transport),
    address: String(address),
    rooms: roomsOf(rooms),
    connectedAt: Number(at),
  }
}

/** The number to go on after; the beginning where the cursor is none of this list's. */
const numberOf = (list: "connections" | "members", cursor: string | undefined): string => {
  const text = decodeCursor(list, cursor) ?? ""
  return /^\d{1,15}$/.test(text) ? text : "0"
}

const nextOf = (list: "connections" | "members", next: unknown): string | undefined =>
  next === "" ? undefined : encodeCursor(list, String(next))

/** One hash tag for all of it, so that each step on it is one script, whatever it touches. */
class Directory {
  private readonly state: StoreState
  private readonly lease: string
  /** Askings for who has departed that were not answered: who was taken by one is given to it when it is asked again. */
  private readonly unanswered: string[] = []
  /** By connection: what one that was not answered has changed is said when it is asked again. */
  private readonly registering: RepeatedAskings
  private readonly removing: RepeatedAskings

  constructor(state: StoreState, lease: string, limitHit: (limit: string) => void) {
    this.state = state
    this.lease = lease
    this.registering = new RepeatedAskings(limitHit)
    this.removing = new RepeatedAskings(limitHit)
  }

  async register(entry: ConnectionEntry, replaced: readonly string[]): Promise<Registered> {
    const { address, connectedAt, connectionId, info, node, rooms, transport, userId } = entry
    const fields = [connectionId, userId, node, transport, address, connectedAt]
    const json = info === undefined ? "" : JSON.stringify(info)
    const entered = rooms.filter((room) => !isGatewayRoom(room))
    const [former, count] = listOf(
      await this.registering.ask(connectionId, (asking) =>
        this.run(REGISTER, [...fields, json, this.lease, asking, replaced.length, ...replaced, ...entered]),
      ),
    )
    return { formerRooms: roomsOf(former), count: Number(count) }
  }

  async remove(connectionId: string): Promise<ConnectionEntry | undefined> {
    const was = await this.removing.ask(connectionId, (asking) => this.run(REMOVE, [connectionId, asking]))
    return was === null ? undefined : entryOf(was)
  }

  async takeDeparted(limit: number): Promise<readonly ConnectionEntry[]> {
    const again = this.unanswered.pop()
    const asking = again ?? randomBytes(9).toString("base64url")
    try {
      return listOf(await this.run(TAKE_DEPARTED, [limit, asking, again === undefined ? 0 : 1])).map(entryOf)
    } catch (error) {
      if (this.unanswered.length < MAX_UNANSWERED) this.unanswered.push(asking)
      throw error
    }
  }

  async change(connectionId: string, what: "join" | "leave" | "transport", which: string): Promise<boolean> {
    if (what !== "transport" && isGatewayRoom(which)) return false
    return Number(await this.run(CHANGE, [connectionId, what, which])) === 1
  }

  async connection(connectionId: string): Promise<ConnectionEntry | undefined> {
    const found = await this.run(CONNECTION_OF, [connectionId])
    return found === null ? undefined : entryOf(found)
  }

  async connections(
    { room = "", userId = "" }: { readonly userId?: string | undefined; readonly room?: string | undefined },
    { cursor, limit }: PageRequest,
  ): Promise<Page<ConnectionEntry>> {
    const [next, ...items] = listOf(await this.run(CONNECTIONS, [userId, room, numberOf("connections", cursor), limit]))
    return { items: items.map(entryOf), nextCursor: nextOf("connections", next) }
  }

  /** Its cursor is Redis's own: no client is given one. */
  async registeredHere({ cursor = "0", limit }: PageRequest): Promise<Page<string>> {
    const key = `${this.name}:n:${this.lease}`
    const [next, ids] = listOf(await this.state.commands.run("SSCAN", key, cursor, "COUNT", limit))
    return { items: listOf(ids).map(String), nextCursor: next === "0" ? undefined : String(next) }
  }

  async connectionsOf(userId: string): Promise<readonly ConnectionEntry[]> {
    return listOf(await this.run(CONNECTIONS, [userId, "", "0", 0]))
      .slice(1)
      .map(entryOf)
  }

  async countOf(userId: string): Promise<number> {
    return Number(await this.state.commands.run("ZCARD", `${this.name}:u:${userId}`))
  }

  async memberCount(room: RoomName): Promise<number> {
    return Number(await this.state.commands.run("ZCARD", `${this.name}:r:${room}`))
  }

  async rooms(prefix: string, { cursor, limit }: PageRequest): Promise<Page<RoomEntry>> {
    const [more, ...flat] = listOf(await this.run(ROOMS, [prefix, decodeCursor("rooms", cursor) ?? "", limit]))
    const items: RoomEntry[] = []
    for (let i = 0; i < flat.length; i += 2) items.push({ room: String(flat[i]), memberCount: Number(flat[i + 1]) })
    const last = items.at(-1)
    return { items, nextCursor: more === "1" && last !== undefined ? encodeCursor("rooms", last.room) : undefined }
  }

  async members(room: RoomName, { cursor, limit }: PageRequest): Promise<Page<Member>> {
    const [next, ...found] = listOf(await this.run(MEMBERS, [room, numberOf("members", cursor), limit]))
    const items = found.map((each) => {
      const [connectionId, userId, info] = listOf(each)
      return member(String(userId), String(connectionId), infoOf(info))
    })
    return { items, nextCursor: nextOf("members", next) }
  }

  async locate(rooms: readonly RoomName[], limit: number): Promise<readonly Located[]> {
    const wanted = rooms.flatMap((room) => {
      if (room === EVERYBODY) return ["all", ""]
      if (room.startsWith(USER)) return ["user", room.slice(USER.length)]
      if (room.startsWith(CONNECTION)) return ["connection", room.slice(CONNECTION.length)]
      return ["room", room]
    })
    return listOf(await this.run(LOCATE, [limit, ...wanted])).map((each) => {
      const [connectionId, node] = listOf(each)
      return { connectionId: String(connectionId), node: String(node) }
    })
  }

  async depart(connectionId: string, graceMs: number): Promise<void> {
    await this.run(DEPART, [connectionId, graceMs])
  }

  private run(lua: LuaScript, args: readonly (string | number)[]): Promise<unknown> {
    return this.state.commands.script(lua, keysNamed(this.name), args)
  }

  private get name(): string {
    return `${this.state.options.prefix}:{directory}`
  }
}

export const redisConnectionDirectory: Layer.Layer<ConnectionDirectory, never, Metrics | RedisStore> = Layer.effect(
  ConnectionDirectory,
  Effect.gen(function* () {
    const { lease, state } = yield* RedisStore
    const { limitHit } = yield* Metrics
    const directory = new Directory(state, lease.id, limitHit)
    return {
      register: (entry, replaced = []) => askRedis(() => directory.register(entry, replaced)),
      depart: (connectionId, graceMs) => askRedis(() => directory.depart(connectionId, graceMs)),
      remove: (connectionId) => askRedis(() => directory.remove(connectionId)),
      takeDeparted: (limit) => askRedis(() => directory.takeDeparted(limit)),
      join: (connectionId, room) => askRedis(() => directory.change(connectionId, "join", room)),
      leave: (connectionId, room) => askRedis(() => directory.change(connectionId, "leave", room)),
      changeTransport: (connectionId, transport) =>
        Effect.asVoid(askRedis(() => directory.change(connectionId, "transport", transport))),
      connection: (connectionId) => askRedis(() => directory.connection(connectionId)),
      connections: (filter, page) => askRedis(() => directory.connections(filter, page)),
      registeredHere: (page) => askRedis(() => directory.registeredHere(page)),
      connectionsOf: (userId) => askRedis(() => directory.connectionsOf(userId)),
      countOf: (userId) => askRedis(() => directory.countOf(userId)),
      rooms: ({ prefix = "" }, page) => askRedis(() => directory.rooms(prefix, page)),
      memberCount: (room) => askRedis(() => directory.memberCount(room)),
      members: (room, page) => askRedis(() => directory.members(room, page)),
      locate: (rooms, limit) => askRedis(() => directory.locate(rooms, limit)),
    }
  }),
)
