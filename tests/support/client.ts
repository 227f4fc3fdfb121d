import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client"
import { type Gateway, token } from "./gateway.ts"
import { until } from "./until.ts"

export interface Received {
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: what an application sends is its own business
  readonly data: any
  readonly meta: {
    readonly id: string
    readonly room?: string
    readonly offset?: string
    readonly sender?: string
    readonly ts: number
  }
  readonly position: string | undefined
}

export interface Ready {
  readonly connectionId: string
  readonly userId: string
  readonly node: string
  readonly recovered: boolean
  readonly rooms: readonly string[]
  readonly unlogged: readonly string[]
  readonly resume?: string
  readonly expiresAt: number
}

/** A stock client, and what it saw. */
export interface Client {
  readonly socket: Socket
  readonly userId: string
  /** The application's events, in the order received. */
  readonly received: Received[]
  /** `socket.recovered` at each connect. */
  readonly recovered: boolean[]
  readonly ready: Ready[]
  readonly closings: { readonly code: string; readonly reconnect: boolean }[]
  readonly disconnects: string[]
  readonly errors: (Error & { readonly data?: { readonly code?: string } })[]
  // biome-ignore lint/suspicious/noExplicitAny: acks, looked into by the tests
  readonly ask: (event: string, ...args: unknown[]) => Promise<any>
  /** Its network drops; it comes back by itself. */
  readonly drop: () => void
}

export interface ClientOptions extends Partial<ManagerOptions & SocketOptions> {
  /** Joined on every `connect`, as applications do. */
  readonly rooms?: readonly string[]
  readonly auth?: Record<string, unknown>
  /** Do not wait until it is in. */
  readonly wait?: boolean
}

const open = new Set<Socket>()

/** Ends every client of this file. */
export const closeClients = (): void => {
  for (const socket of open) socket.disconnect()
  open.clear()
}

/**
 * While it upgrades or writes, engine.io-client puts a close off, it may be to the turn in which it has read a poll, and
 * socket.io-client keeps what came with that until after the next CONNECT, for which it is too late: no network drops so.
 */
const dropEngine = (engine: Socket["io"]["engine"]): void => {
  if (engine.readyState !== "open") return
  const isBusy = Reflect.get(engine, "upgrading") === true || engine.writeBuffer.length > 0
  if (isBusy) setTimeout(() => dropEngine(engine), 5)
  else engine.close()
}

export const connectClient = async (
  gateway: Pick<Gateway, "url">,
  userId: string,
  options: ClientOptions = {},
): Promise<Client> => {
  const { auth, rooms = [], wait = true, ...rest } = options
  const socket = io(gateway.url, {
    auth: { token: await token(userId), ...auth },
    forceNew: true,
    transports: ["websocket"],
    reconnectionDelay: 50,
    reconnectionDelayMax: 500,
    ...rest,
  })
  open.add(socket)
  const joined = new Set<string>()
  const client: Client = {
    socket,
    userId,
    received: [],
    recovered: [],
    ready: [],
    closings: [],
    disconnects: [],
    errors: [],
    ask: (event, ...args) => socket.timeout(10_000).emitWithAck(event, ...args),
    drop: () => dropEngine(socket.io.engine),
  }
  socket.on("connect", () => {
    client.recovered.push(socket.recovered)
    for (const room of rooms)
      socket.emit("room:join", { room }, (answer: { readonly ok: boolean }) => answer.ok && joined.add(room))
  })
  socket.on("connect_error", (error) => client.errors.push(error))
  socket.on("disconnect", (reason) => client.disconnects.push(reason))
  socket.on("session:ready", (ready: Ready) => client.ready.push(ready))
  socket.on("session:closing", (closing: { readonly code: string; readonly reconnect: boolean }) =>
    client.closings.push(closing),
  )
  socket.onAny((event: string, data: unknown, meta: Received["meta"], position?: string) => {
    if (!event.startsWith("session:")) client.received.push({ event, data, meta, position })
  })
  if (wait) await until(`${userId} to be in`, () => client.ready.length > 0 && rooms.every((room) => joined.has(room)))
  return client
}

/** Its `times`-th connection since the beginning is up. */
export const connected = (client: Client, times: number): Promise<void> =>
  until(`${client.userId} to be ready ${times} times`, () => client.ready.length >= times && client.socket.connected)
