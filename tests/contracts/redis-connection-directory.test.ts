import { randomBytes } from "node:crypto"
import { connect, createServer, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterAll, expect, it } from "vitest"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { room } from "#tests/domain/made.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"
import { connectionDirectoryContract, entry } from "./connection-directory-contract.ts"
import { redisLayer } from "./redis-fixture.ts"

const server = await startRedis()
afterAll(() => server.stop())

connectionDirectoryContract("redis", redisLayer(server.url))

it("gives who departed to whoever was to tell of them, also where the answer came too late", async () => {
  const own = await startRedis()
  const prefix = `departed-${randomBytes(4).toString("hex")}`
  const [one, two] = [1, 2].map(() =>
    ManagedRuntime.make(redisLayer(own.url, { prefix, beatMs: 2_000, leaseMs: 10_000 })),
  )
  if (one === undefined || two === undefined) throw new Error("no nodes")
  const directory = await one.runPromise(ConnectionDirectory)
  const other = await two.runPromise(ConnectionDirectory)
  const gone = [entry("c1", { rooms: ["a", "b"], info: { name: "Ana" } }), entry("c2")]
  for (const each of gone) await one.runPromise(directory.register(each))
  await one.runPromise(directory.depart("c1", 0))
  // By now the server knows the script: what was sent to it is all that it needs.
  await one.runPromise(directory.takeDeparted(0))
  own.signal("SIGSTOP")
  const lost = await one.runPromise(Effect.exit(directory.takeDeparted(10)))
  expect(lost._tag).toBe("Failure")
  own.signal("SIGCONT")
  await until("it to be done all the same", async () => (await own.client.zcard(`${prefix}:{directory}:gone`)) === 0)
  const takenBy = (runtime: typeof one, from: typeof directory) =>
    until("Redis to answer", async () => {
      const exit = await runtime.runPromise(Effect.exit(from.takeDeparted(10)))
      if (exit._tag === "Success") taken.push(exit.value)
      return exit._tag === "Success"
    })
  const taken: unknown[] = []
  await takenBy(two, other)
  await takenBy(one, directory)
  await takenBy(one, directory)
  expect(taken).toEqual([[], [gone[0]], []])
  await one.dispose()
  await two.dispose()
  await own.stop()
})

it("says of a registration whose answer was lost what that changed when it is registered again, and no more", async () => {
  const own = await startRedis()
  const prefix = `again-${randomBytes(4).toString("hex")}`
  const runtime = ManagedRuntime.make(redisLayer(own.url, { prefix, beatMs: 2_000, leaseMs: 10_000 }))
  const directory = await runtime.runPromise(ConnectionDirectory)
  await runtime.runPromise(directory.register(entry("former", { rooms: ["kept", "left"] })))
  const coming = entry("c1", { rooms: ["kept", "a", "b"] })
  const register = (at = coming) => Effect.exit(directory.register(at, ["former"]))
  own.signal("SIGSTOP")
  expect((await runtime.runPromise(register()))._tag).toBe("Failure")
  own.signal("SIGCONT")
  await until("it to be done all the same", async () => (await own.client.zcard(`${prefix}:{directory}:r:a`)) === 1)
  const answered = <A>(asked: Effect.Effect<A, unknown>) =>
    until("Redis to answer", async () => (await runtime.runPromise(Effect.exit(asked)))._tag === "Success")
  // Told by whoever did it.
  await answered(directory.join("c1", room("c")))
  await answered(directory.leave("c1", room("b")))
  const again = await runtime.runPromise(
    directory.register({ ...coming, rooms: ["kept", "a", "c"].map(room) }, ["former"]),
  )
  expect(again.formerRooms.toSorted()).toEqual(["c", "kept", "left"])
  const later = await runtime.runPromise(
    directory.register({ ...coming, rooms: ["kept", "a", "c"].map(room) }, ["former"]),
  )
  expect(later.formerRooms.toSorted()).toEqual(["a", "c", "kept"])
  await runtime.dispose()
  await own.stop()
})

it("answers what it removed to whoever asks again for want of an answer, once", async () => {
  const own = await startRedis()
  const prefix = `removed-${randomBytes(4).toString("hex")}`
  const runtime = ManagedRuntime.make(redisLayer(own.url, { prefix, beatMs: 2_000, leaseMs: 10_000 }))
  const directory = await runtime.runPromise(ConnectionDirectory)
  const gone = entry("c1", { rooms: ["a"] })
  await runtime.runPromise(directory.register(gone))
  // By now the server knows the script: what was sent to it is all that it needs.
  await runtime.runPromise(directory.remove("unknown"))
  own.signal("SIGSTOP")
  expect((await runtime.runPromise(Effect.exit(directory.remove("c1"))))._tag).toBe("Failure")
  own.signal("SIGCONT")
  await until("it to be done all the same", async () => (await own.client.zcard(`${prefix}:{directory}:all`)) === 0)
  const answers: unknown[] = []
  while (answers.length < 2) {
    const exit = await runtime.runPromise(Effect.exit(directory.remove("c1")))
    if (exit._tag === "Success") answers.push(exit.value)
    else await sleep(50)
  }
  expect(answers).toEqual([gone, undefined])
  await runtime.dispose()
  await own.stop()
})

/** Passes connections on to that port. What was held back of one still reaches it when its client is long gone. */
const holdingProxy = async (port: number) => {
  let held: (() => void)[] | undefined
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1")
    clients.add(client)
    client.on("data", (data) => {
      if (held === undefined) upstream.write(data)
      else held.push(() => upstream.write(data))
    })
    upstream.on("data", (data) => client.destroyed || client.write(data))
    for (const socket of [client, upstream]) socket.on("error", () => {})
    upstream.on("close", () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return {
    url: `redis://127.0.0.1:${address.port}`,
    hold: () => {
      held = []
    },
    /** Every client is cut; whoever comes again is held back no more. Answers how to let go what was. */
    cut: () => {
      const late = held ?? []
      held = undefined
      for (const client of clients) client.destroy()
      clients.clear()
      return () => {
        for (const send of late) send()
      }
    },
    close: () => server.close(),
  }
}

it("gives nobody who departed to an asking that comes after its own repeat was answered", async () => {
  const own = await startRedis()
  const proxy = await holdingProxy(Number(new URL(own.url).port))
  const prefix = `late-${randomBytes(4).toString("hex")}`
  const [one, two] = [proxy.url, own.url].map((url) =>
    ManagedRuntime.make(redisLayer(url, { prefix, beatMs: 60_000, leaseMs: 180_000 })),
  )
  if (one === undefined || two === undefined) throw new Error("no nodes")
  const directory = await one.runPromise(ConnectionDirectory)
  const other = await two.runPromise(ConnectionDirectory)
  const gone = entry("c1", { rooms: ["a"] })
  await two.runPromise(other.register(gone))
  await one.runPromise(directory.takeDeparted(0))
  proxy.hold()
  expect((await one.runPromise(Effect.exit(directory.takeDeparted(10))))._tag).toBe("Failure")
  const letGo = proxy.cut()
  const take = async () => {
    const exit = await one.runPromise(Effect.exit(directory.takeDeparted(10)))
    return exit._tag === "Success" ? exit.value : undefined
  }
  await until("Redis to be had again", async () => (await take())?.length === 0)
  await two.runPromise(other.depart("c1", 0))
  const asked = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await own.client.info("commandstats"))?.[1])
  const before = await asked()
  letGo()
  await until("the late asking to be there", async () => (await asked()) > before)
  expect(await take()).toEqual([gone])
  await one.dispose()
  await two.dispose()
  proxy.close()
  await own.stop()
})

it("gives who was on a dead node also where the time of Redis went back meanwhile", async () => {
  const prefix = `back-${randomBytes(4).toString("hex")}`
  const [one, two] = [1, 2].map(() =>
    ManagedRuntime.make(redisLayer(server.url, { prefix }, { presence: { graceMs: 100 } })),
  )
  if (one === undefined || two === undefined) throw new Error("no nodes")
  const directory = await one.runPromise(ConnectionDirectory)
  const other = await two.runPromise(ConnectionDirectory)
  await two.runPromise(other.register(entry("c1", { rooms: ["a"] })))
  await two.dispose()
  // So it stands where the time was an hour ahead for a moment.
  const ahead = Date.now() + 3_600_000
  const name = `${prefix}:{directory}`
  await server.client.hset(`${name}:beats`, "last", `${ahead}`, "since", `${ahead}`)
  for (const lease of await server.client.zrange(`${name}:leases`, "0", "-1"))
    await server.client.zadd(`${name}:leases`, ahead, lease)
  const ids: string[] = []
  await until("the dead node's connection to be given", async () => {
    for (const { connectionId } of await one.runPromise(directory.takeDeparted(10))) ids.push(connectionId)
    return ids.length > 0
  })
  expect(ids).toEqual(["c1"])
  await one.dispose()
})

it("gives each node the ids of what it registered itself, and of nothing that went on elsewhere", async () => {
  const prefix = `registered-${randomBytes(4).toString("hex")}`
  const nodes = await Promise.all(
    [1, 2].map(async () => {
      const runtime = ManagedRuntime.make(redisLayer(server.url, { prefix }))
      const directory = await runtime.runPromise(ConnectionDirectory)
      const ids = async () =>
        (await runtime.runPromise(directory.registeredHere({ limit: 10, cursor: undefined }))).items
      const register = (id: string, replaced?: readonly string[]) =>
        runtime.runPromise(directory.register(entry(id), replaced))
      return { ids, register, dispose: () => runtime.dispose() }
    }),
  )
  const [one, two] = nodes
  for (const id of ["c1", "c2"]) await one?.register(id)
  await two?.register("c3", ["c1"])
  expect([await one?.ids(), await two?.ids()]).toEqual([["c2"], ["c3"]])
  for (const { dispose } of nodes) await dispose()
})
