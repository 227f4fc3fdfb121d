import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { decodeCursor, decodeNumber, encodeCursor } from "#application/page-cursor.ts"
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
import { ConnectionIndex } from "./connection-index.ts"
import { HeldConnection } from "./held-connection.ts"

const USER: string = userRoom("")
const CONNECTION: string = connectionRoom("")

export const MAX_DEPARTING = 100_000

/** The directory of a single node: plain maps. The gateway's own rooms are not kept, the connections themselves answer. */
class Directory {
  /** In the order of registration. */
  private readonly byId = new Map<string, HeldConnection>()
  /** Those online only. */
  private readonly byUser = new ConnectionIndex()
  private readonly byRoom = new ConnectionIndex()
  /** In the order in which they dropped. */
  private readonly departing = new Set<HeldConnection>()
  private registered = 0
  private readonly limitHit: (limit: string) => void

  constructor(limitHit: (limit: string) => void) {
    this.limitHit = limitHit
  }

  get departingCount(): number {
    return this.departing.size
  }

  register(entry: ConnectionEntry, replaced: readonly string[] = []): Registered {
    const former = new Set([entry.connectionId, ...replaced].flatMap((id) => this.remove(id)?.rooms ?? []))
    const held = new HeldConnection(entry, ++this.registered)
    this.byId.set(held.connectionId, held)
    this.byUser.add(held.userId, held)
    for (const room of entry.rooms) this.enter(held, room)
    return { formerRooms: [...former], count: this.byUser.count(held.userId) }
  }

  depart(connectionId: string, departsAt: number): void {
    const held = this.online(connectionId)
    if (held === undefined) return
    if (held.rooms.length === 0) {
      this.remove(connectionId)
      return
    }
    held.departsAt = departsAt
    this.byUser.delete(held.userId, held)
    this.departing.add(held)
  }

  remove(connectionId: string): ConnectionEntry | undefined {
    const held = this.byId.get(connectionId)
    if (held === undefined) return undefined
    this.byId.delete(connectionId)
    this.byUser.delete(held.userId, held)
    this.departing.delete(held)
    for (const room of held.rooms) this.byRoom.delete(room, held)
    return held.entry()
  }

  /** Past MAX_DEPARTING the grace of the oldest ends early. */
  takeDeparted(nowMs: number, limit: number): readonly ConnectionEntry[] {
    const taken: ConnectionEntry[] = []
    for (const held of this.departing) {
      if (taken.length === limit) break
      const over = (held.departsAt ?? 0) <= nowMs
      if (!over && this.departing.size <= MAX_DEPARTING) break
      if (!over) this.limitHit("connections_departing")
      const entry = this.remove(held.connectionId)
      if (entry !== undefined) taken.push(entry)
    }
    return taken
  }

  join(connectionId: string, room: RoomName): boolean {
    const held = this.online(connectionId)
    if (held !== undefined) this.enter(held, room)
    return held !== undefined
  }

  leave(connectionId: string, room: string): boolean {
    const held = this.byId.get(connectionId)
    if (held === undefined || !this.byRoom.has(room, held)) return false
    held.rooms = held.rooms.filter((other) => other !== room)
    this.byRoom.delete(room, held)
    return true
  }

  online(connectionId: string): HeldConnection | undefined {
    const held = this.byId.get(connectionId)
    return held !== undefined && held.departsAt === undefined ? held : undefined
  }

  count(userId: string): number {
    return this.byUser.count(userId)
  }

  ofUser(userId: string): readonly ConnectionEntry[] {
    return Array.from(this.byUser.of(userId), (held) => held.entry())
  }

  connections(userId: string | undefined, room: string | undefined, page: PageRequest): Page<ConnectionEntry> {
    const after = decodeNumber("connections", page.cursor, this.registered)
    const items: ConnectionEntry[] = []
    let last = 0
    for (const held of userId === undefined ? this.byId.values() : this.byUser.of(userId)) {
      if (held.number <= after || held.departsAt !== undefined) continue
      if (room !== undefined && !this.byRoom.has(room, held)) continue
      if (items.length === page.limit) return { items, nextCursor: encodeCursor("connections", last) }
      items.push(held.entry())
      last = held.number
    }
    return { items, nextCursor: undefined }
  }

  ids(page: PageRequest): Page<string> {
    const { items, nextCursor } = this.connections(undefined, undefined, page)
    return { items: items.map(({ connectionId }) => connectionId), nextCursor }
  }

  /** By name: a page goes on after a room that is gone, too. Of all names only about two pages are kept and sorted. */
  rooms(prefix: string, { cursor, limit }: PageRequest): Page<RoomEntry> {
    const after = decodeCursor("rooms", cursor) ?? ""
    let names: string[] = []
    let bound: string | undefined
    for (const name of this.byRoom.keys) {
      if (name <= after || (bound !== undefined && name > bound) || !name.startsWith(prefix)) continue
      if (names.push(name) < 2 * limit + 2) continue
      names = names.sort().slice(0, limit + 1)
      bound = names[limit]
    }
    const found = names.sort().slice(0, limit)
    const last = found.at(-1)
    return {
      items: found.map((room) => ({ room, memberCount: this.byRoom.count(room) })),
      nextCursor: names.length > limit && last !== undefined ? encodeCursor("rooms", last) : undefined,
    }
  }

  memberCount(room: string): number {
    return this.byRoom.count(room)
  }

  members(room: string, page: PageRequest): Page<Member> {
    const { items, next } = this.byRoom.page(room, decodeNumber("members", page.cursor, this.byRoom.last), page.limit)
    return {
      items: items.map((held) => member(held.userId, held.connectionId, held.info)),
      nextCursor: next === undefined ? undefined : encodeCursor("members", next),
    }
  }

  locate(rooms: readonly RoomName[], limit: number): readonly Located[] {
    const found = new Set<HeldConnection>()
    for (const room of rooms) {
      for (const held of this.inRoom(room)) {
        if (held.departsAt === undefined) found.add(held)
        if (found.size > limit) return Array.from(found, located)
      }
    }
    return Array.from(found, located)
  }

  changeTransport(connectionId: string, transport: string): void {
    const held = this.byId.get(connectionId)
    if (held !== undefined) held.transport = transport
  }

  private enter(held: HeldConnection, room: RoomName): void {
    if (isGatewayRoom(room) || this.byRoom.has(room, held)) return
    held.rooms = [...held.rooms, room]
    this.byRoom.add(room, held)
  }

  private inRoom(room: RoomName): Iterable<HeldConnection> {
    if (!isGatewayRoom(room)) return this.byRoom.of(room)
    if (room === EVERYBODY) return this.byId.values()
    if (room.startsWith(USER)) return this.byUser.of(room.slice(USER.length))
    const held = room.startsWith(CONNECTION) ? this.byId.get(room.slice(CONNECTION.length)) : undefined
    return held === undefined ? [] : [held]
  }
}

const located = ({ connectionId, node }: HeldConnection): Located => ({ connectionId, node })

export const memoryConnectionDirectory: Layer.Layer<ConnectionDirectory, never, Metrics> = Layer.effect(
  ConnectionDirectory,
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const clock = yield* Clock.Clock
    const directory = new Directory(metrics.limitHit)
    metrics.observe("connections_departing", () => directory.departingCount)
    return {
      register: (entry, replaced) => Effect.sync(() => directory.register(entry, replaced)),
      depart: (connectionId, graceMs) =>
        Effect.sync(() => directory.depart(connectionId, clock.currentTimeMillisUnsafe() + graceMs)),
      remove: (connectionId) => Effect.sync(() => directory.remove(connectionId)),
      takeDeparted: (limit) => Effect.sync(() => directory.takeDeparted(clock.currentTimeMillisUnsafe(), limit)),
      join: (connectionId, room) => Effect.sync(() => directory.join(connectionId, room)),
      leave: (connectionId, room) => Effect.sync(() => directory.leave(connectionId, room)),
      changeTransport: (connectionId, transport) =>
        Effect.sync(() => directory.changeTransport(connectionId, transport)),
      connection: (connectionId) => Effect.sync(() => directory.online(connectionId)?.entry()),
      connections: ({ userId, room }, page) => Effect.sync(() => directory.connections(userId, room, page)),
      registeredHere: (page) => Effect.sync(() => directory.ids(page)),
      connectionsOf: (userId) => Effect.sync(() => directory.ofUser(userId)),
      countOf: (userId) => Effect.sync(() => directory.count(userId)),
      rooms: ({ prefix = "" }, page) => Effect.sync(() => directory.rooms(prefix, page)),
      memberCount: (room) => Effect.sync(() => directory.memberCount(room)),
      members: (room, page) => Effect.sync(() => directory.members(room, page)),
      locate: (rooms, limit) => Effect.sync(() => directory.locate(rooms, limit)),
    }
  }),
)
