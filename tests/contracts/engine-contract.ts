import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Engine, type Publish } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import type { Publication } from "#domain/gate.ts"
import type { Message } from "#domain/message.ts"
import { formatOffset, formatPosition, type Offset, parseOffset, parsePosition } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import type { History } from "#domain/room-rules.ts"
import { until } from "#tests/support/until.ts"

export const room = (name: string): RoomName => name as RoomName
export const HISTORY: History = { size: 100, ttlMs: 60_000 }
const A = room("a")
const B = room("b")

let made = 0

export const messageTo = (rooms: readonly RoomName[], more: Partial<Message> = {}): Message => ({
  id: `m${++made}`,
  event: "said",
  data: '{"text":"é"}',
  ts: 1_700_000_000_000,
  sender: undefined,
  rooms,
  except: undefined,
  volatile: false,
  expiresAt: undefined,
  ...more,
})

/** A publish to rooms that all keep the same. */
export const publishTo = (
  rooms: readonly RoomName[],
  {
    history = HISTORY,
    key,
    ...more
  }: Partial<Message> & { readonly history?: History | null; readonly key?: string } = {},
): Publish => ({
  message: messageTo(rooms, more),
  histories: rooms.map(() => history ?? undefined),
  idempotency: key === undefined ? undefined : { key, digest: "digest" },
})

export const waitFor = (what: string, isSo: () => boolean): Effect.Effect<void> =>
  Effect.promise(() => until(what, isSo))

/** What a node was told, in order. */
const listen = (engine: Engine["Service"]) => {
  const delivered: Publication[] = []
  const unexpected: unknown[] = []
  let within = 0
  let onDeliver: (publication: Publication) => void = () => {}
  engine.start({
    deliver: (publication) => {
      if (within > 0) unexpected.push("delivered from within a delivery")
      within++
      const workedOff = engine.workedOff[publication.partition] ?? 0
      if (workedOff > publication.offset)
        unexpected.push(`${publication.offset} comes after ${workedOff} was worked off`)
      delivered.push(publication)
      onDeliver(publication)
      within--
    },
    hole: (name) => unexpected.push(`hole in ${name}`),
    newEpoch: () => unexpected.push("new epoch"),
    taken: (id) => unexpected.push(`taken ${id}`),
    missed: async () => true,
  })
  return {
    delivered,
    unexpected,
    idsIn: (name: RoomName): readonly string[] =>
      delivered.filter((one) => one.room === name).map(({ message }) => message.id),
    onDeliver: (run: (publication: Publication) => void): void => {
      onDeliver = run
    },
  }
}

/**
 * What every Engine does. The layer begins with an empty store each time that it is built; `advance` lets its time pass.
 */
export const engineContract = (
  name: string,
  layer: Layer.Layer<Engine | MessageLog>,
  advance: (ms: number) => Effect.Effect<void>,
): void => {
  type Body<E> = (
    engine: Engine["Service"],
    heard: ReturnType<typeof listen>,
    log: MessageLog["Service"],
  ) => Effect.Effect<void, E>
  const test = <E>(behaviour: string, body: Body<E>): void =>
    it.live(behaviour, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        const log = yield* MessageLog
        const heard = listen(engine)
        yield* body(engine, heard, log)
        expect(heard.unexpected).toEqual([])
      }).pipe(Effect.provide(layer)),
    )

  /** Everything that was published before it has been delivered where it was going to be. */
  const settled = (engine: Engine["Service"], heard: ReturnType<typeof listen>) =>
    Effect.gen(function* () {
      for (let partition = 0, found = 0; found < engine.partitions; partition++) {
        const fence = room(`fence-${partition}`)
        yield* engine.subscribe(fence)
        const { id } = yield* engine.publish(publishTo([fence]))
        yield* waitFor("the fence", () => heard.idsIn(fence).includes(id))
        engine.unsubscribe(fence)
        found = new Set(Array.from({ length: partition + 1 }, (_, i) => engine.partitionOf(room(`fence-${i}`)))).size
      }
    })

  describe(`${name}: carrying messages`, () => {
    test("hands a message to a subscribed node as it was published, with the offset of the answer", (engine, heard) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        const publish = publishTo([A], {
          sender: "ann",
          except: { rooms: [B], users: ["eve"], connections: ["c1"] },
          expiresAt: 1_800_000_000_000,
        })
        const published = yield* engine.publish(publish)
        const partition = engine.partitionOf(A)
        expect(published).toEqual({
          id: publish.message.id,
          epoch: engine.epochOf(partition),
          offset: published.offset,
          repeated: false,
        })
        yield* waitFor("the message", () => heard.delivered.length > 0)
        expect(heard.delivered).toEqual([{ room: A, partition, offset: published.offset, message: publish.message }])
      }))

    test("hands on what is logged, what is not and what is volatile alike, in the order of offsets", (engine, heard) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        const offsets: Offset[] = []
        const ids: string[] = []
        for (const more of [{}, { history: null }, { volatile: true }, {}]) {
          const { id, offset } = yield* engine.publish(publishTo([A], more))
          ids.push(id)
          offsets.push(offset)
        }
        expect(offsets).toEqual([...new Set(offsets)].toSorted((x, y) => x - y))
        yield* waitFor("the messages", () => heard.delivered.length >= 4)
        expect(heard.idsIn(A)).toEqual(ids)
        expect(heard.delivered.map(({ offset }) => offset)).toEqual(offsets)
      }))

    test("hands on nothing of rooms that are not subscribed, or not any more, and nothing twice", (engine, heard) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        yield* engine.subscribe(A)
        yield* engine.publish(publishTo([B]))
        const { id } = yield* engine.publish(publishTo([A]))
        yield* settled(engine, heard)
        expect([heard.idsIn(A), heard.idsIn(B)]).toEqual([[id], []])
        engine.unsubscribe(A)
        engine.unsubscribe(B)
        yield* engine.publish(publishTo([A]))
        yield* settled(engine, heard)
        expect(heard.idsIn(A)).toEqual([id])
        yield* engine.subscribe(A)
        const again = yield* engine.publish(publishTo([A]))
        yield* settled(engine, heard)
        expect(heard.idsIn(A)).toEqual([id, again.id])
      }))

    test("hands a message to several rooms on once for each that is subscribed", (engine, heard) =>
      Effect.gen(function* () {
        const rooms = [A, B, room("c"), room("d")]
        for (const name of [B, room("d")]) yield* engine.subscribe(name)
        const { id, offset } = yield* engine.publish(publishTo(rooms))
        yield* settled(engine, heard)
        expect([A, B, room("c"), room("d")].map(heard.idsIn)).toEqual([[], [id], [], [id]])
        for (const one of heard.delivered.filter(({ message }) => message.id === id))
          if (one.partition === engine.partitionOf(A)) expect(one.offset).toBe(offset)
      }))

    test("keeps the order of offsets within a partition when many publish at once, and loses none", (engine, heard) =>
      Effect.gen(function* () {
        const rooms = Array.from({ length: 5 }, (_, i) => room(`r${i}`))
        for (const name of rooms) yield* engine.subscribe(name)
        const published = yield* Effect.forEach(
          Array.from({ length: 200 }, (_, i) => publishTo(rooms.slice(i % 5, (i % 5) + 1))),
          engine.publish,
          { concurrency: "unbounded" },
        )
        yield* settled(engine, heard)
        const all = heard.delivered.filter(({ room: name }) => rooms.includes(name))
        expect(all.map(({ message }) => message.id).toSorted()).toEqual(published.map(({ id }) => id).toSorted())
        for (let partition = 0; partition < engine.partitions; partition++) {
          const offsets = all.filter((one) => one.partition === partition).map(({ offset }) => offset)
          expect(offsets).toEqual([...new Set(offsets)].toSorted((x, y) => x - y))
        }
      }))

    test("lets what a delivery publishes wait for its turn", (engine, heard) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        const echo = publishTo([A])
        heard.onDeliver(({ message }) => {
          if (message.id === first.message.id) Effect.runFork(engine.publish(echo))
        })
        const first = publishTo([A])
        yield* engine.publish(first)
        yield* waitFor("the echo", () => heard.delivered.length >= 2)
        expect(heard.idsIn(A)).toEqual([first.message.id, echo.message.id])
      }))
  })

  describe(`${name}: offsets`, () => {
    test("grow with each publish and each look at the clock, of a room's partition", (engine) =>
      Effect.gen(function* () {
        const partition = engine.partitionOf(A)
        let last = 0
        for (let i = 0; i < 50; i++) {
          const offset =
            i % 2 === 0
              ? yield* engine.clock(partition)
              : (yield* engine.publish(publishTo([A], { volatile: true }))).offset
          expect(offset).toBeGreaterThan(last)
          expect(Number.isSafeInteger(offset)).toBe(true)
          last = offset
        }
      }))

    test("are worked off when they were handed on, and a look at the clock moves that on too", (engine, heard) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        const partition = engine.partitionOf(A)
        const { offset } = yield* engine.publish(publishTo([A]))
        const worked = (): Offset => engine.workedOff[partition] ?? 0
        yield* waitFor("the message to be worked off", () => worked() >= offset)
        expect(heard.delivered).toHaveLength(1)
        const clock = yield* engine.clock(partition)
        yield* waitFor("the clock to be worked off", () => worked() >= clock)
        expect(engine.workedOff).toHaveLength(engine.partitions)
      }))

    test("name their epoch in a form that is read back, and rooms their partition, always the same", (engine) =>
      Effect.sync(() => {
        for (let i = 0; i < 100; i++) {
          const partition = engine.partitionOf(room(`r${i}`))
          expect(partition).toBe(engine.partitionOf(room(`r${i}`)))
          expect(Number.isInteger(partition) && partition >= 0 && partition < engine.partitions).toBe(true)
          const epoch = engine.epochOf(partition)
          expect(parseOffset(formatOffset(epoch, 5))).toEqual({ epoch, offset: 5 })
        }
        const position = formatPosition(engine.epoch(), engine.workedOff)
        expect(parsePosition(position)).toEqual({ epoch: engine.epoch(), offsets: [...engine.workedOff] })
      }))

    test("are remembered for longer than what they are of", (engine) =>
      Effect.gen(function* () {
        expect(engine.recordTtlMs).toBeGreaterThanOrEqual(2 * HISTORY.ttlMs)
        yield* waitFor("the subscription to be fresh", engine.isFresh)
      }))
  })

  describe(`${name}: logging what it carries`, () => {
    const entries = (log: MessageLog["Service"], engine: Engine["Service"], name: RoomName) =>
      Effect.map(
        log.read(engine.partitionOf(name), [{ room: name, after: 0 }], { entries: 1_000, bytes: 1_000_000 }),
        ({ rooms }) => rooms[0]?.entries ?? [],
      )

    test("appends to each room that keeps something, with that room's previous offset, and to no other", (engine, _, log) =>
      Effect.gen(function* () {
        const first = yield* engine.publish(publishTo([A]))
        const both = { ...publishTo([A, B]), histories: [HISTORY, undefined] }
        const second = yield* engine.publish(both)
        yield* engine.publish(publishTo([A], { volatile: true }))
        const third = yield* engine.publish(publishTo([A, B]))
        const ofA = yield* entries(log, engine, A)
        const ofB = yield* entries(log, engine, B)
        expect(ofA.map(({ message }) => message.id)).toEqual([first.id, second.id, third.id])
        expect(ofA.map(({ offset }) => offset)).toEqual([first.offset, second.offset, third.offset])
        expect(ofA.slice(1).map(({ previous }) => previous)).toEqual([first.offset, second.offset])
        expect(ofA[0]?.previous).toBeLessThan(first.offset)
        expect(ofA[1]?.message).toMatchObject(both.message)
        expect(ofB.map(({ message }) => message.id)).toEqual([third.id])
      }))

    test("has logged a message before it hands it on", (engine, heard, log) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        const found: Promise<boolean>[] = []
        heard.onDeliver(({ message }) => {
          found.push(
            Effect.runPromise(
              Effect.map(entries(log, engine, A), (all) => all.some((one) => one.message.id === message.id)),
            ),
          )
        })
        yield* engine.publish(publishTo([A]))
        yield* waitFor("the message", () => found.length > 0)
        expect(yield* Effect.promise(() => Promise.all(found))).toEqual([true])
      }))
  })

  describe(`${name}: publishing once`, () => {
    test("answers a repeated key with the first id and offset, and neither logs nor hands anything on", (engine, heard, log) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        const first = yield* engine.publish(publishTo([A], { key: "k" }))
        const again = yield* engine.publish(publishTo([A], { key: "k" }))
        expect(again).toEqual({ ...first, repeated: true })
        yield* settled(engine, heard)
        expect(heard.idsIn(A)).toEqual([first.id])
        expect((yield* log.describe(A)).size).toBe(1)
        const other = yield* engine.publish(publishTo([A], { key: "another" }))
        expect(other.repeated).toBe(false)
      }))

    test("does so while the first is under way too", (engine, heard) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        const answers = yield* Effect.forEach(
          Array.from({ length: 20 }, () => publishTo([A], { key: "k" })),
          engine.publish,
          { concurrency: "unbounded" },
        )
        expect(new Set(answers.map(({ id, offset }) => `${id} ${offset}`)).size).toBe(1)
        expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1)
        yield* settled(engine, heard)
        expect(heard.idsIn(A)).toHaveLength(1)
      }))

    test("refuses the key with another body, and publishes nothing of it", (engine, heard) =>
      Effect.gen(function* () {
        yield* engine.subscribe(A)
        const first = yield* engine.publish(publishTo([A], { key: "k" }))
        const other = { ...publishTo([A]), idempotency: { key: "k", digest: "another digest" } }
        expect((yield* Effect.flip(engine.publish(other)))._tag).toBe("idempotency_key_reused")
        yield* settled(engine, heard)
        expect(heard.idsIn(A)).toEqual([first.id])
      }))

    test("remembers a key for 10 minutes, however often it is repeated", (engine) =>
      Effect.gen(function* () {
        const first = yield* engine.publish(publishTo([A], { key: "k" }))
        yield* advance(300_000)
        expect((yield* engine.publish(publishTo([A], { key: "k" }))).id).toBe(first.id)
        yield* advance(200_000)
        expect((yield* engine.publish(publishTo([A], { key: "k" }))).id).toBe(first.id)
        yield* advance(110_000)
        expect((yield* engine.publish(publishTo([A], { key: "k" }))).repeated).toBe(false)
      }))
  })
}
