import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import fc from "fast-check"
import { MAX_DEPARTING, memoryConnectionDirectory } from "#adapters/memory/memory-connection-directory.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { EVERYBODY, type RoomName } from "#domain/room.ts"
import { recordingMetrics, silentMetrics } from "#tests/support/silent-metrics.ts"
import { connectionDirectoryContract, entry, pages } from "./connection-directory-contract.ts"

const layer = Layer.provide(memoryConnectionDirectory, silentMetrics)

connectionDirectoryContract("memory", layer)

const room = (name: string): RoomName => name as RoomName

describe("memory directory", () => {
  it.live("lists those who stay exactly once, whoever leaves and joins between two pages", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      for (let i = 0; i < 40; i++) yield* directory.register(entry(`c${i}`, { rooms: ["a", `r${i % 10}`] }))
      let turn = 0
      const leaveSome = Effect.suspend(() => {
        turn++
        return Effect.andThen(
          directory.remove(`c${turn * 4 - 1}`),
          directory.register(entry(`new${turn}`, { rooms: ["a"] })),
        )
      })
      const stayed = Array.from({ length: 40 }, (_, i) => `c${i}`).filter((_, i) => i % 4 !== 3)
      const seen = (all: readonly { readonly connectionId: string }[]) =>
        all.map((item) => item.connectionId).filter((id) => stayed.includes(id))
      const members = yield* pages(3, (page) => Effect.tap(directory.members(room("a"), page), () => leaveSome))
      expect(seen(members.flat())).toEqual(stayed)
      turn = 0
      const listed = yield* pages(3, (page) => Effect.tap(directory.connections({}, page), () => leaveSome))
      expect(seen(listed.flat())).toEqual(stayed)
    }).pipe(Effect.provide(layer)),
  )

  it.live("begins at the beginning with a cursor from before a restart that is ahead of everything", () =>
    Effect.gen(function* () {
      const before = yield* Effect.gen(function* () {
        const directory = yield* ConnectionDirectory
        for (let i = 0; i < 10; i++) yield* directory.register(entry(`c${i}`, { rooms: ["a"] }))
        const connections = yield* directory.connections({}, { limit: 8, cursor: undefined })
        const members = yield* directory.members(room("a"), { limit: 8, cursor: undefined })
        return { connections: connections.nextCursor, members: members.nextCursor }
      }).pipe(Effect.provide(Layer.fresh(layer)))
      const directory = yield* ConnectionDirectory
      for (let i = 0; i < 3; i++) yield* directory.register(entry(`c${i}`, { rooms: ["a"] }))
      const connections = yield* directory.connections({}, { limit: 8, cursor: before.connections })
      const members = yield* directory.members(room("a"), { limit: 8, cursor: before.members })
      expect([connections.items.length, members.items.length]).toEqual([3, 3])
    }).pipe(Effect.provide(layer)),
  )

  it.live("shows who came into a room that emptied between two pages", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      for (const id of ["c1", "c2", "c3"]) yield* directory.register(entry(id, { rooms: ["a"] }))
      const first = yield* directory.members(room("a"), { limit: 2, cursor: undefined })
      for (const id of ["c1", "c2", "c3"]) yield* directory.leave(id, room("a"))
      for (const id of ["c4", "c5"]) {
        yield* directory.register(entry(id, { rooms: ["a"] }))
        const second = yield* directory.members(room("a"), { limit: 2, cursor: first.nextCursor })
        expect(second.items.at(-1)?.connectionId).toBe(id)
      }
    }).pipe(Effect.provide(layer)),
  )

  it.live("goes on after a room that emptied between two pages", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      yield* directory.register(entry("c1", { rooms: ["a", "b", "c", "d"] }))
      const first = yield* directory.rooms({}, { limit: 2, cursor: undefined })
      yield* directory.leave("c1", room("b"))
      const second = yield* directory.rooms({}, { limit: 2, cursor: first.nextCursor })
      expect(second.items.map((item) => item.room)).toEqual(["c", "d"])
    }).pipe(Effect.provide(layer)),
  )

  it.live("holds 100,000 connections in one room and walks them in pages", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      for (let i = 0; i < 100_000; i++)
        yield* directory.register(entry(`c${i}`, { userId: `u${i}`, rooms: ["all", `own:${i}`] }))
      expect(yield* directory.memberCount(room("all"))).toBe(100_000)
      const members = yield* pages(1_000, (page) => directory.members(room("all"), page))
      expect(new Set(members.flat().map((member) => member.connectionId)).size).toBe(100_000)
      const rooms = yield* pages(50_000, (page) => directory.rooms({ prefix: "own:" }, page))
      expect(new Set(rooms.flat().map((item) => item.room)).size).toBe(100_000)
      expect(yield* directory.locate([EVERYBODY], 10)).toHaveLength(11)
      for (let i = 0; i < 100_000; i++) yield* directory.remove(`c${i}`)
      expect((yield* directory.rooms({}, { limit: 1, cursor: undefined })).items).toEqual([])
    }).pipe(Effect.provide(layer)),
  )

  it.effect("holds no more departing connections than it may: the grace of the oldest ends early", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      for (let i = 0; i < MAX_DEPARTING + 2; i++) {
        yield* directory.register(entry(`c${i}`, { rooms: ["a"] }))
        yield* directory.depart(`c${i}`, 60_000)
      }
      expect(metrics.gauge("connections_departing")).toBe(MAX_DEPARTING + 2)
      expect((yield* directory.takeDeparted(10)).map(({ connectionId }) => connectionId)).toEqual(["c0", "c1"])
      expect(metrics.gauge("connections_departing")).toBe(MAX_DEPARTING)
      expect(metrics.hits).toEqual(["connections_departing", "connections_departing"])
    }).pipe(Effect.provide(Layer.provide(memoryConnectionDirectory, metrics.layer)))
  })

  it.effect("gives those whose grace is over without counting them as too many", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      yield* directory.register(entry("c1", { rooms: ["a"] }))
      yield* directory.depart("c1", 0)
      expect((yield* directory.takeDeparted(10)).map(({ connectionId }) => connectionId)).toEqual(["c1"])
      expect(metrics.hits).toEqual([])
    }).pipe(Effect.provide(Layer.provide(memoryConnectionDirectory, metrics.layer)))
  })

  it("answers as plain lists would, whatever happens in whatever order", async () => {
    const id = fc.integer({ min: 0, max: 4 }).map((i) => `c${i}`)
    const name = fc.constantFrom("a", "b", "c")
    const step = fc.oneof(
      fc.record({ do: fc.constant("register" as const), id, user: fc.constantFrom("ana", "ben") }),
      fc.record({ do: fc.constantFrom("depart" as const, "remove" as const), id }),
      fc.record({ do: fc.constantFrom("join" as const, "leave" as const), id, room: name }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), (steps) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const directory = yield* ConnectionDirectory
            const model = new Map<string, { readonly user: string; online: boolean }>()
            const members = new Map<string, string[]>([
              ["a", []],
              ["b", []],
              ["c", []],
            ])
            const drop = (gone: string) => {
              for (const [key, list] of members)
                members.set(
                  key,
                  list.filter((other) => other !== gone),
                )
            }
            for (const next of steps) {
              const known = model.get(next.id)
              switch (next.do) {
                case "register":
                  yield* directory.register(entry(next.id, { userId: next.user }))
                  drop(next.id)
                  model.delete(next.id)
                  model.set(next.id, { user: next.user, online: true })
                  break
                case "depart":
                  yield* directory.depart(next.id, 60_000)
                  if (known === undefined) break
                  known.online = false
                  if (![...members.values()].some((list) => list.includes(next.id))) model.delete(next.id)
                  break
                case "remove":
                  yield* directory.remove(next.id)
                  drop(next.id)
                  model.delete(next.id)
                  break
                case "join": {
                  yield* directory.join(next.id, room(next.room))
                  const list = members.get(next.room) ?? []
                  if (known?.online === true && !list.includes(next.id)) list.push(next.id)
                  break
                }
                case "leave":
                  yield* directory.leave(next.id, room(next.room))
                  members.set(
                    next.room,
                    (members.get(next.room) ?? []).filter((other) => other !== next.id),
                  )
              }
            }
            const online = [...model].filter(([, one]) => one.online)
            const FIRST = { limit: 100, cursor: undefined }
            expect((yield* directory.connections({}, FIRST)).items.map((one) => one.connectionId)).toEqual(
              online.map(([key]) => key),
            )
            for (const user of ["ana", "ben"])
              expect((yield* directory.connectionsOf(user)).map((one) => one.connectionId)).toEqual(
                online.filter(([, one]) => one.user === user).map(([key]) => key),
              )
            for (const [key, list] of members) {
              const paged = yield* pages(2, (page) => directory.members(room(key), page))
              expect(paged.flat().map((one) => one.connectionId)).toEqual(list)
            }
            expect((yield* directory.rooms({}, FIRST)).items).toEqual(
              [...members]
                .filter(([, list]) => list.length > 0)
                .map(([key, list]) => ({ room: key, memberCount: list.length })),
            )
          }).pipe(Effect.provide(layer)),
        ),
      ),
      { numRuns: 300 },
    )
  })
})
