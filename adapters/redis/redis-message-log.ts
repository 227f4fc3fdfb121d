import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Cursor,
  type LastMessages,
  type LogEntry,
  type LogPage,
  type LogSurvey,
  MessageLog,
  type RoomPage,
} from "#application/ports/message-log.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Offset } from "#domain/offset.ts"
import { isWholeFrom } from "#domain/recovery.ts"
import type { RoomName } from "#domain/room.ts"
import type { RoomRules } from "#domain/room-rules.ts"
import { luaScript } from "./lua-script.ts"
import { askRedis } from "./redis-commands.ts"
import type { RedisPartition } from "./redis-partition.ts"
import { RedisStore, type StoreState } from "./redis-store.ts"
import { decodeMessage } from "./wire-message.ts"

const READ = luaScript("read-logs", "life")
const SURVEY = luaScript("survey-logs", "life")
const LAST = luaScript("last-messages", "life")
const DESCRIBE = luaScript("describe-room", "life")

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** `offset, previous, message, …`; a message of a version that this node does not know is left out, as a gap. */
const entriesOf = (flat: readonly unknown[]): readonly LogEntry[] => {
  const entries: LogEntry[] = []
  for (let i = 0; i + 2 < flat.length; i += 3) {
    const message = decodeMessage(String(flat[i + 2]))
    if (message !== undefined) entries.push({ offset: Number(flat[i]), previous: Number(flat[i + 1]), message })
  }
  return entries
}

class PartitionLogs {
  private readonly state: StoreState
  private readonly rules: RoomRules

  constructor(state: StoreState, rules: RoomRules) {
    this.state = state
    this.rules = rules
  }

  async read(index: number, cursors: readonly Cursor[], bounds: { entries: number; bytes: number }): Promise<LogPage> {
    const { clock, epoch, rest } = await this.state.inPartition(this.partition(index), READ, this.keysOf(cursors), [
      bounds.entries,
      bounds.bytes,
      ...this.argsOf(cursors),
    ])
    const rooms = cursors.map(({ room }, i): RoomPage => {
      const [newest, more, ...flat] = listOf(rest[i])
      return { room, newest: Number(newest), more: Number(more) === 1, entries: entriesOf(flat) }
    })
    return { epoch, clock, rooms }
  }

  async survey(index: number, cursors: readonly Cursor[], atMost: number): Promise<LogSurvey> {
    const { clock, epoch, rest } = await this.state.inPartition(
      this.partition(index),
      SURVEY,
      this.keysOf(cursors),
      this.argsOf(cursors),
    )
    const [base, from, ...rooms] = rest
    let missed = 0
    let whole = true
    for (const [i, { after }] of cursors.entries()) {
      const [newest, previous, count] = listOf(rooms[i])
      const firstPrevious = previous === "" ? undefined : Number(previous)
      // A position from between those two is of something that the store has lost.
      const isLost = after > Number(base) && after < Number(from)
      if (isLost || !isWholeFrom(after, { firstPrevious, newest: Number(newest) })) whole = false
      missed = Math.min(atMost + 1, missed + Number(count))
    }
    return { epoch, clock, whole, missed }
  }

  async last(room: RoomName, upTo: Offset, bounds: { entries: number; bytes: number }): Promise<LastMessages> {
    const partition = this.state.partitionOf(room)
    const { clock, epoch, rest } = await this.state.inPartition(
      partition,
      LAST,
      [partition.logKeys(room)[0]],
      [bounds.entries, bounds.bytes, upTo >= Number.MAX_SAFE_INTEGER ? "+" : `${upTo}`, this.ttlOf(room)],
    )
    const [cut, ...flat] = rest
    return { epoch, clock, entries: entriesOf(flat), cut: cut === "1" }
  }

  async clear(room: RoomName): Promise<void> {
    await this.state.commands.run("DEL", this.state.partitionOf(room).logKeys(room)[0])
  }

  async describe(room: RoomName): Promise<{ newest: Offset | undefined; size: number }> {
    const partition = this.state.partitionOf(room)
    const { rest } = await this.state.inPartition(partition, DESCRIBE, partition.logKeys(room), [this.ttlOf(room)])
    const [newest, size] = rest
    return { newest: newest === "" ? undefined : Number(newest), size: Number(size) }
  }

  private partition(index: number): RedisPartition {
    const partition = this.state.partitions[index]
    if (partition === undefined) throw new Error(`there is no partition ${index}`)
    return partition
  }

  private ttlOf(room: RoomName): number {
    return this.rules.historyOf(room)?.ttlMs ?? 0
  }

  private keysOf(cursors: readonly Cursor[]): string[] {
    return cursors.flatMap(({ room }) => this.state.partitionOf(room).logKeys(room))
  }

  private argsOf(cursors: readonly Cursor[]): number[] {
    return cursors.flatMap(({ after, room }) => [after, this.ttlOf(room)])
  }
}

export const redisMessageLog: Layer.Layer<MessageLog, never, RedisStore | Settings> = Layer.effect(
  MessageLog,
  Effect.gen(function* () {
    const { state } = yield* RedisStore
    const { rules } = yield* Settings
    const logs = new PartitionLogs(state, rules)
    return {
      read: (partition, cursors, bounds) => askRedis(() => logs.read(partition, cursors, bounds)),
      survey: (partition, cursors, atMost) => askRedis(() => logs.survey(partition, cursors, atMost)),
      last: (room, upTo, bounds) => askRedis(() => logs.last(room, upTo, bounds)),
      clear: (room) => askRedis(() => logs.clear(room)),
      describe: (room) => askRedis(() => logs.describe(room)),
    }
  }),
)
