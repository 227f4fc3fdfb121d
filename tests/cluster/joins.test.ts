import { expect, it } from "vitest"
import type { Client } from "#tests/support/client.ts"
import { type Cluster, nodeAt, startCluster } from "#tests/support/cluster.ts"
import { until } from "#tests/support/until.ts"

const JOINS = 60
const PUSHERS = 4
const to = { rooms: ["open:a"] }

interface JoinAnswer {
  readonly ok: boolean
  readonly offset: string
  readonly messages?: readonly { readonly offset: string }[]
  readonly complete?: boolean
}

interface Join {
  readonly client: Client
  readonly answer: JoinAnswer
  readonly since: string | undefined
  /** What it had been sent when the answer came. */
  readonly early: number
}

/** Joins the busy room beside another one, and goes when it has had some of what is live. */
const joinOnce = async (cluster: Cluster, i: number, since: string | undefined): Promise<Join> => {
  const client = await cluster.client(nodeAt(cluster, 0), `u${i}`)
  const other = client.ask("room:join", { room: `open:other${i % 7}` })
  let early = 0
  const answer = await new Promise<JoinAnswer>((resolve) => {
    client.socket.emit("room:join", { room: "open:a", since }, (ack: JoinAnswer) => {
      early = client.received.length
      resolve(ack)
    })
  })
  await other
  await until("some of what is live", () => client.received.length >= early + 5)
  client.socket.disconnect()
  return { client, answer, since, early }
}

const faultsOf = ({ answer, client, early, since }: Join, all: readonly string[]) => {
  const live = client.received.map(({ meta }) => meta.offset ?? "")
  const got = [...(answer.messages ?? []).map(({ offset }) => offset), ...live]
  const from = since ?? answer.offset
  const last = live.at(-1) ?? ""
  const has = new Set(got)
  return {
    missing: all.filter((offset) => offset > from && offset <= last && !has.has(offset)).length,
    twice: got.length - has.size,
    early,
    notOwed: got.filter((offset) => offset <= from).length,
    complete: answer.complete ?? true,
  }
}

it("a join beside a room that another node is pushed to misses nothing, has nothing twice and nothing before its ack, with since and without", async () => {
  await using cluster = await startCluster(2)
  await cluster.client(nodeAt(cluster, 0), "owner", { rooms: to.rooms })
  const offsets: string[] = []
  let running = true
  const pushing = Array.from({ length: PUSHERS }, async () => {
    while (running) offsets.push((await nodeAt(cluster, 1).push(to, "e", 0)).body.offset)
  })
  await until("some history", () => offsets.length > 20)
  const joins: Join[] = []
  for (let i = 0; i < JOINS; i++) joins.push(await joinOnce(cluster, i, i % 2 === 0 ? undefined : offsets.at(-1)))
  running = false
  await Promise.all(pushing)
  const none = { missing: 0, twice: 0, early: 0, notOwed: 0, complete: true }
  expect(joins.map((join) => faultsOf(join, offsets))).toEqual(joins.map(() => none))
  expect(joins.some(({ answer }) => (answer.messages?.length ?? 0) > 0)).toBe(true)
})
