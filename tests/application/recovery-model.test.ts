import process from "node:process"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { EVERYBODY, type RoomName, userRoom } from "#domain/room.ts"
import { ModelWorld } from "./model-world.ts"

const RUNS = Number(process.env["ROOMCAST_MODEL_RUNS"] ?? 300)

const room = (name: string): RoomName => name as RoomName
const ROOMS = ["log-a", "log-b", "token-c", "raw-d"].map(room)
const KEPT = [...ROOMS, userRoom("ann"), EVERYBODY]

const does = <Name extends string, More extends object>(
  name: Name,
  more: { [K in keyof More]: fc.Arbitrary<More[K]> },
) => fc.record({ does: fc.constant(name), ...more }) as unknown as fc.Arbitrary<{ readonly does: Name } & More>

const client = fc.nat({ max: 2 })
const pick = fc.nat({ max: 20 })
const one = fc.constantFrom(...ROOMS)
const rarely = fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })

const action = fc.oneof(
  { weight: 30, arbitrary: does("step", { picks: fc.array(pick, { minLength: 1, maxLength: 12 }) }) },
  { weight: 6, arbitrary: does("calm", {}) },
  {
    weight: 18,
    arbitrary: does("publish", {
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
  },
  { weight: 14, arbitrary: does("take", { client, count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 8, arbitrary: does("connect", { client, granted: rarely.map((not) => !not) }) },
  { weight: 3, arbitrary: does("cut", { client }) },
  { weight: 3, arbitrary: does("notice", { pick }) },
  { weight: 7, arbitrary: does("join", { client, room: one }) },
  { weight: 3, arbitrary: does("leave", { client, room: one }) },
  {
    weight: 3,
    arbitrary: does("command", { client, change: fc.constantFrom("join" as const, "leave" as const), room: one }),
  },
  { weight: 1, arbitrary: does("clear", { room: fc.constantFrom(...KEPT) }) },
  { weight: 1, arbitrary: does("pass", { ms: fc.constantFrom(1, 5_000, 30_000, 61_000, 121_000, 310_000) }) },
  { weight: 1, arbitrary: does("tend", {}) },
  { weight: 1, arbitrary: does("send away", { client }) },
)

type Action = typeof action extends fc.Arbitrary<infer What> ? What : never

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
    case "send away":
      return world.sendAway(of(what.client))
  }
}

const scenario = fc.array(action, { minLength: 20, maxLength: 120, size: "max" })

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
      fc.asyncProperty(fc.boolean(), scenario, async (warm, actions) => {
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
      { numRuns: RUNS, ...(process.env["SEED"] !== undefined && { seed: Number(process.env["SEED"]) }) },
    )
    console.log(seen)
    for (const what of [
      "fresh",
      "recovered",
      "not recovered",
      "overflowed",
      "session:position",
      "closed: slow_consumer",
    ])
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
  })
})
