import process from "node:process"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { EVERYBODY, type RoomName, userRoom } from "#domain/room.ts"
import { ModelWorld } from "./model-world.ts"

/** More for a long run. */
const RUNS = Number(process.env["ROOMCAST_MODEL_RUNS"] ?? 300)

const room = (name: string): RoomName => name as RoomName
const ROOMS = ["log-a", "log-b", "token-c", "raw-d"].map(room)
const KEPT = [...ROOMS, userRoom("ann"), EVERYBODY]

const does = <Name extends string, More extends object>(name: Name, more: fc.Arbitrary<More>) =>
  more.map((rest) => ({ does: name, ...rest }))

const NOTHING = fc.constant({})
const pick = fc.nat({ max: 20 })
const rarely = fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })

/** What may happen, and how often beside the rest. */
const actionsOf = (clients: number, rooms: readonly RoomName[]) => {
  const client = fc.nat({ max: clients - 1 })
  const one = fc.constantFrom(...rooms)
  const publish = does(
    "publish",
    fc.record({
      to: fc.oneof(
        one.map((only) => [only]),
        fc.shuffledSubarray(KEPT, { minLength: 1, maxLength: 3 }),
      ),
      size: fc.constantFrom(1, 1, 100, 900),
      volatile: rarely,
      brief: rarely,
      exceptUser: rarely,
      exceptConnection: fc.option(fc.nat({ max: 12 }), { freq: 6, nil: undefined }),
    }),
  )
  return [
    [30, does("step", fc.record({ picks: fc.array(pick, { minLength: 1, maxLength: 12 }) }))],
    [18, publish],
    [14, does("take", fc.record({ client, count: fc.integer({ min: 1, max: 12 }) }))],
    [8, does("connect", fc.record({ client, granted: rarely.map((not) => !not) }))],
    [6, does("calm", NOTHING)],
    [3, does("cut", fc.record({ client }))],
    [3, does("notice", fc.record({ pick }))],
    [7, does("join", fc.record({ client, room: one }))],
    [3, does("leave", fc.record({ client, room: one }))],
    [3, does("command", fc.record({ client, change: fc.constantFrom("join" as const, "leave" as const), room: one }))],
    [1, does("clear", fc.record({ room: fc.constantFrom(...KEPT) }))],
    [1, does("pass", fc.record({ ms: fc.constantFrom(1, 5_000, 30_000, 61_000, 121_000, 310_000) }))],
    [1, does("tend", NOTHING)],
    [1, does("send away", fc.record({ client }))],
    [
      4,
      does(
        "fail",
        fc.record({
          when: fc.constantFrom("before" as const, "after" as const),
          calls: fc.integer({ min: 1, max: 4 }),
        }),
      ),
    ],
  ] as const
}

type Action = ReturnType<typeof actionsOf>[number][1] extends infer All
  ? All extends fc.Arbitrary<infer What>
    ? What
    : never
  : never

/** Of each run some things are left out and some come often: what never happens together otherwise does so too. */
const scenario = fc
  .record({
    warm: fc.boolean(),
    clients: fc.integer({ min: 1, max: 3 }),
    rooms: fc.subarray(ROOMS, { minLength: 1 }),
    factors: fc.array(fc.constantFrom(0, 1, 1, 5), { minLength: 15, maxLength: 15 }),
  })
  .chain(({ clients, factors, rooms, warm }) => {
    const weighted = actionsOf(clients, rooms).map(([weight, arbitrary], i) => ({
      weight: weight * Math.max(factors[i] ?? 1, i < 4 ? 1 : 0),
      arbitrary,
    }))
    return fc.record({
      warm: fc.constant(warm),
      actions: fc.array(fc.oneof(...weighted), { minLength: 20, maxLength: 120, size: "max" }),
    })
  })

const run = async (world: ModelWorld, what: Action): Promise<void> => {
  const of = (index: number) => world.clients[index]!
  switch (what.does) {
    case "step":
      for (const turn of what.picks) {
        world.step(turn)
        await world.rest()
      }
      return
    case "calm":
      return await world.calm()
    case "publish":
      world.publish({
        rooms: what.to,
        data: JSON.stringify("x".repeat(what.size)),
        volatile: what.volatile,
        ...(what.brief && { expiresAt: world.nowMs() + 20_000 }),
        ...((what.exceptUser || what.exceptConnection !== undefined) && {
          except: {
            rooms: [],
            users: what.exceptUser ? ["ann"] : [],
            connections: what.exceptConnection === undefined ? [] : [`c${what.exceptConnection}`],
          },
        }),
      })
      return
    case "take":
      for (let i = 0; i < what.count; i++) of(what.client).take()
      return
    case "connect":
      return world.connect(of(what.client), what.granted)
    case "cut":
      return world.cut(of(what.client))
    case "notice":
      return world.notice(what.pick)
    case "join":
      return world.join(of(what.client), what.room)
    case "leave":
      return world.leave(of(what.client), what.room)
    case "command":
      return world.command(of(what.client), what.change, what.room)
    case "clear":
      return world.clear(what.room)
    case "pass":
      return await world.pass(what.ms)
    case "tend":
      return world.tend()
    case "fail":
      return world.fail(what.when, what.calls)
    case "send away":
      return world.sendAway(of(what.client))
  }
}

/** Everybody is connected and in the first room. */
const everybodyIn = async (world: ModelWorld): Promise<void> => {
  for (const one of world.clients) world.connect(one, true)
  await world.calm()
  for (const one of world.clients) {
    while (one.take());
    world.join(one, room("log-a"))
  }
  await world.calm()
}

describe("a client, whatever happens to it and in whatever order", () => {
  it("is never told a position past a message that it lacks, gets each once and in order, and is recovered only whole", {
    timeout: 300_000,
  }, async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(scenario, async ({ actions, warm }) => {
        const world = await ModelWorld.make()
        try {
          if (warm) await everybodyIn(world)
          for (const what of actions) {
            await run(world, what)
            await world.rest()
            expect(world.violations).toEqual([])
          }
          await world.settle()
          expect(world.violations).toEqual([])
        } finally {
          for (const [what, times] of world.seen) seen.set(what, (seen.get(what) ?? 0) + times)
          await world.stop()
        }
      }),
      { numRuns: RUNS },
    )
    for (const what of [
      "fresh",
      "recovered",
      "not recovered",
      "overflowed",
      "closed: history_lost",
      "closed: session_taken",
      "closed: slow_consumer",
    ])
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
  })
})
