import type { LocalConnection } from "#application/local-connections.ts"
import type { LocalRoom } from "#application/local-rooms.ts"
import { isGatewayRoom } from "#domain/room.ts"
import type { Emission } from "./emission.ts"
import { type PeerActions, PeerSocket } from "./peer-socket.ts"

export interface Gathering {
  readonly connections: ReadonlyMap<string, LocalConnection>
  readonly rooms: ReadonlyMap<string, LocalRoom>
}

const NONE: ReadonlyMap<string, Set<string>> = new Map()
const NO_ROOMS = new Set<string>()

/**
 * Our rooms as Socket.IO has them: a room's name, or a connection's id, and the ids of who is in it. The gateway's own,
 * `$…`, are not there. Nothing is kept here, and the names are not listed: that is the directory's to do.
 */
export class RoomsView extends Map<string, Set<string>> {
  private readonly gathering: Gathering

  constructor(gathering: Gathering) {
    super()
    this.gathering = gathering
  }

  override has(name: string): boolean {
    return this.roomOf(name) !== undefined || this.gathering.connections.has(name)
  }

  override get(name: string): Set<string> {
    const ids = new Set<string>()
    for (const { id } of this.roomOf(name)?.members ?? []) ids.add(id)
    if (this.gathering.connections.has(name)) ids.add(name)
    return ids
  }

  override keys() {
    return NONE.keys()
  }

  /** How many are in the room, about. */
  count(name: unknown): number {
    return (this.roomOf(name)?.members.size ?? 0) + (this.gathering.connections.has(String(name)) ? 1 : 0)
  }

  /** Names come as they were sent, a number too. */
  private roomOf(name: unknown): LocalRoom | undefined {
    const text = String(name)
    return isGatewayRoom(text) ? undefined : this.gathering.rooms.get(text)
  }
}

/** Everybody who is here, by id; what rooms each is in the stock adapter does not ask for. */
export class SocketsView extends Map<string, Set<string>> {
  private readonly gathering: Gathering

  constructor(gathering: Gathering) {
    super()
    this.gathering = gathering
  }

  override *[Symbol.iterator](): Generator<[string, Set<string>], undefined> {
    for (const id of this.gathering.connections.keys()) yield [id, NO_ROOMS]
    return undefined
  }
}

/**
 * The gateway's connections as the stock adapter's namespace. It is not `io.of("/")`: our connections are in no room of
 * Socket.IO's, and what our clients do never comes to this adapter.
 */
export class NamespaceView {
  readonly name = "/"
  /** Counted on by the adapter for packets that ask to be acknowledged. */
  _ids = 0
  readonly server: { readonly encoder: { readonly encode: (packet: unknown) => readonly [Emission] } }
  readonly sockets: { readonly get: (id: string) => PeerSocket | undefined }

  constructor({ connections }: Gathering, actions: PeerActions, emission: (packet: unknown) => Emission) {
    this.server = { encoder: { encode: (packet) => [emission(packet)] } }
    this.sockets = {
      get: (id) => {
        const connection = connections.get(id)
        return connection === undefined ? undefined : new PeerSocket(connection, actions)
      },
    }
  }

  /** Nobody listens here. Whoever wants an answer gets null, for without one of every server it would wait for all. */
  _onServerSideEmit(args: readonly unknown[]): void {
    const answer = args.at(-1)
    if (typeof answer === "function") answer(null)
  }
}
