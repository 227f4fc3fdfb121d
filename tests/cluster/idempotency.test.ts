import { describe, expect, it } from "vitest"
import { nodeAt, seen, startCluster } from "#tests/support/cluster.ts"
import { settle, until } from "#tests/support/until.ts"

describe.concurrent.each([1, 4])("one key pushed to two nodes at once, %i partitions", (partitions) => {
  it("is answered alike each time, delivered once, and refused with another body", async () => {
    await using cluster = await startCluster(2, { partitions })
    const [one, two] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
    const to = { rooms: ["open:a", "open:b", "open:c"], users: ["ann"] }
    const client = await cluster.client(one, "ann", { rooms: to.rooms })
    const key = { "idempotency-key": "k1" }
    const answers = await Promise.all([one, two, one].map((node) => node.push(to, "e", 1, {}, key)))
    answers.push(await two.push(to, "e", 1, {}, key))
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202])
    expect(new Set(answers.map(({ body }) => `${body.id} ${body.offset}`)).size).toBe(1)
    const reused = await two.push(to, "e", 2, {}, key)
    expect([reused.status, reused.body.code]).toEqual([422, "idempotency_key_reused"])
    await until("the message", () => client.received.length > 0)
    await settle(300)
    expect(seen(client)).toEqual([1])
  })
})

it("a key with another body is refused whatever rooms that is for, before any of them has it", async () => {
  await using cluster = await startCluster(2, { partitions: 4 })
  const [one, two] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
  const rooms = Array.from({ length: 12 }, (_, i) => `open:${i}`)
  const client = await cluster.client(one, "ann", { rooms })
  const key = { "idempotency-key": "k1" }
  expect((await one.push({ rooms: ["open:0"] }, "e", "first", {}, key)).status).toBe(202)
  const pushes = rooms.slice(1).map((room) => two.push({ rooms: [room, "open:0"] }, "e", "other", {}, key))
  const asked = two.push({ users: ["ann"] }, "e", "asked", { ack: { timeoutMs: 500 } }, key)
  const answers = await Promise.all([...pushes, asked])
  expect(new Set(answers.map(({ body, status }) => `${status} ${body.code}`))).toEqual(
    new Set(["422 idempotency_key_reused"]),
  )
  await cluster.surely({ rooms: ["open:0"] }, "last")
  await until("the last", () => seen(client).includes("last"))
  await settle(300)
  expect(seen(client)).toEqual(["first", "last"])
})
