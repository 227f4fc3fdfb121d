import { readdirSync, readFileSync } from "node:fs"
import { Emitter } from "@socket.io/redis-emitter"
import { expect, it } from "vitest"
import { connected } from "#tests/support/client.ts"
import { move, nodeAt, startCluster } from "#tests/support/cluster.ts"
import { until } from "#tests/support/until.ts"

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

/** The rights that the page gives a user: patterns in quotes, commands bare. */
const documented = (): readonly string[] => {
  const command =
    /^redis-cli ACL SETUSER roomcast on '>password' ((?:\\\n|.)+)$/m.exec(read("docs/redis.md"))?.[1] ?? ""
  return command
    .replaceAll(/['\\]/g, "")
    .split(/\s+/)
    .filter((right) => right !== "")
}

it("docs/redis.md gives a user every command that a script calls", () => {
  const scripts = readdirSync(new URL("../../adapters/redis", import.meta.url)).filter((name) => name.endsWith(".lua"))
  const called = scripts.flatMap((name) =>
    [...read(`adapters/redis/${name}`).matchAll(/redis\.p?call\(\s*["'](\w+)/g)].map(([, command]) =>
      `+${command}`.toLowerCase(),
    ),
  )
  expect(called.length).toBeGreaterThan(50)
  expect(documented()).toEqual(expect.arrayContaining([...new Set(called)]))
})

it("a user with the rights of docs/redis.md is refused nothing", async () => {
  await using cluster = await startCluster(0)
  const { client: admin, port } = cluster.redis
  await admin.call("ACL", "SETUSER", "roomcast", "on", ">password", ...documented())
  const redis = { url: `redis://roomcast:password@127.0.0.1:${port}` }
  await cluster.start({ redis })
  await cluster.start({ redis })
  const [first, second] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
  const ann = await cluster.client(first, "ann", { rooms: ["shown:a"] })
  const bea = await cluster.member(second, "bea", ["shown:a", "open:b"])
  await first.push({ rooms: ["shown:a"] }, "e", 1, {}, { "idempotency-key": "k" })
  await until("the push", () => bea.received.some(({ event }) => event === "e"))
  await bea.ask("room:leave", { room: "open:b" })
  await second.call("PUT", "/v1/users/ann/rooms/given:c")
  expect((await second.call("DELETE", "/v1/users/ann/rooms/given:c")).status).toBe(200)
  await second.push({ users: ["ann"] }, "asked", 1, { ack: { timeoutMs: 1 } })
  await second.call("POST", "/v1/revocations", { jti: "t" })
  for (const path of ["connections", "rooms", "rooms/shown:a/members", "rooms/shown:a/messages", "users/ann"])
    expect((await first.call("GET", `/v1/${path}`)).status).toBe(200)
  await second.call("DELETE", "/v1/rooms/shown:a/messages")
  new Emitter(admin, { key: "roomcast:socketio:1" }).to("shown:a").emit("of.others", 1)
  await until("what another program emits", () => bea.received.some(({ event }) => event === "of.others"))
  move(ann, second)
  await connected(ann, 2)
  expect(ann.recovered).toEqual([false, true])
  expect(await admin.call("ACL", "LOG")).toEqual([])
})
