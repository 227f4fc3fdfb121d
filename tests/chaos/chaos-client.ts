import { io, type Socket } from "socket.io-client"
import { parseOffset, parsePosition } from "#domain/offset.ts"
import { emptyJournal, type Journal, type Step } from "./journal.ts"

export interface ClientPlan {
  readonly user: string
  readonly token: string
  readonly transports: readonly ("polling" | "websocket")[]
  readonly rooms: readonly string[]
  /** It joins its rooms on every connect, as many applications do, or only where it was not recovered. */
  readonly rejoins: boolean
}

interface Ack {
  readonly ok: boolean
  readonly offset?: string
}

interface Ready {
  readonly recovered: boolean
  readonly node: string
}

const ASK_MS = 4_000
const AGAIN_MS = 300

type Told = Step extends infer One ? (One extends Step ? Omit<One, "at" | "index"> : never) : never

const offsetOf = (text: unknown): number => parseOffset(text)?.offset ?? Number.NaN

/** The newest offset that a position speaks for; the run has one partition. */
const positionOf = (text: unknown): number => parsePosition(text)?.offsets[0] ?? Number.NaN

/** A stock client that stays in the rooms that it wants, and writes down what it sees. */
export class ChaosClient {
  readonly journal: Journal
  /** What a gateway should never answer: it would stay away. */
  readonly refusals: string[] = []
  private readonly socket: Socket
  private readonly wants: Set<string>
  private readonly isIn = new Set<string>()
  /** Left, as far as it wants, and not acknowledged. */
  private readonly leaves = new Set<string>()
  private readonly asked = new Set<string>()
  private readonly startedAt: number
  private isReady = false

  constructor(url: string, plan: ClientPlan, startedAt: number) {
    this.journal = emptyJournal(plan.user)
    this.startedAt = startedAt
    this.wants = new Set(plan.rooms)
    this.socket = io(url, {
      auth: { token: plan.token },
      forceNew: true,
      transports: [...plan.transports],
      timeout: 4_000,
      reconnectionDelay: 200,
      reconnectionDelayMax: 2_000,
    })
    this.socket.on("connect", () => this.onConnect(plan.rejoins))
    this.socket.on("disconnect", (reason) => this.onDisconnect(reason))
    this.socket.on("connect_error", (error) => {
      if (!this.socket.active) this.refusals.push(`${this.now()} ms: ${error.message}`)
    })
    this.socket.onAny((event: string, ...args: unknown[]) => this.onEvent(event, args))
  }

  /** Connected, and in all the rooms that it wants to be in. */
  get settled(): boolean {
    return this.isReady && this.leaves.size === 0 && [...this.wants].every((room) => this.isIn.has(room))
  }

  /**
   * Closes its connection; it comes back by itself. Not while polling is upgraded: the stock client would then end the
   * connection in the turn in which it got packets, keep these over the break, and hand them on after it has asked for
   * what came after the ones before, that is twice. No network ends in that turn.
   */
  drop(): void {
    const { engine } = this.socket.io
    if (engine !== undefined && Reflect.get(engine, "upgrading") === true) setTimeout(() => this.drop(), AGAIN_MS)
    else engine?.close()
  }

  /** Its socket is destroyed under it, where there is one between two requests. */
  cut(): void {
    const transport: unknown = this.socket.io.engine?.transport
    const { ws } = transport as { readonly ws?: { readonly terminate?: () => void } }
    if (ws?.terminate === undefined) this.drop()
    else ws.terminate()
  }

  /** Leaves the room that it is in for longest, and goes to another. */
  move(to: string): void {
    const [from] = this.wants
    if (from === undefined || !this.isIn.has(from) || this.asked.has(from)) return
    if (this.wants.has(to) || this.leaves.has(to)) return
    this.wants.delete(from)
    this.wants.add(to)
    this.leaves.add(from)
    this.tend()
  }

  private now(): number {
    return Date.now() - this.startedAt
  }

  private write(step: Told): void {
    this.journal.steps.push({ ...step, at: this.now(), index: this.journal.numbers.length })
  }

  private onConnect(rejoins: boolean): void {
    const { recovered } = this.socket
    this.write({ kind: "connect", recovered })
    this.asked.clear()
    if (!recovered) this.leaves.clear()
    if (!recovered || rejoins) this.isIn.clear()
    this.tend()
  }

  private onDisconnect(reason: string): void {
    this.isReady = false
    this.write({ kind: "drop", reason })
    if (!this.socket.active) this.refusals.push(`${this.now()} ms: ${reason}`)
  }

  private onEvent(event: string, args: readonly unknown[]): void {
    const position = positionOf(args.at(-1))
    if (event === "n") {
      const { journal } = this
      journal.numbers.push(args[0] as number)
      journal.offsets.push(offsetOf((args[1] as { readonly offset?: string }).offset))
      journal.positions.push(position)
      journal.at.push(this.now())
    } else if (event === "session:ready") {
      const { node, recovered } = args[0] as Ready
      this.isReady = true
      this.write({ kind: "ready", recovered, node, position })
    } else if (event === "session:position") this.write({ kind: "position", position })
  }

  /** Asks for what is not as it wants it. */
  private tend(): void {
    for (const room of this.leaves) this.ask("leave", room)
    for (const room of this.wants) if (!this.isIn.has(room)) this.ask("join", room)
  }

  private ask(what: "join" | "leave", room: string): void {
    if (!this.socket.connected || this.asked.has(room)) return
    const { id } = this.socket
    this.asked.add(room)
    this.write({ kind: what, room })
    this.socket.timeout(ASK_MS).emit(`room:${what}`, { room }, (error: Error | null, ack?: Ack) => {
      // A connect since then has asked again.
      if (this.socket.id !== id) return
      this.asked.delete(room)
      if (error === null && ack?.ok === true) this.obtained(what, room, offsetOf(ack.offset))
      else setTimeout(() => this.tend(), AGAIN_MS)
    })
  }

  private obtained(what: "join" | "leave", room: string, offset: number): void {
    if (what === "leave") {
      this.leaves.delete(room)
      this.isIn.delete(room)
      this.write({ kind: "left", room })
    } else {
      this.isIn.add(room)
      this.write({ kind: "joined", room, offset })
    }
  }
}
