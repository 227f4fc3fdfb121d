import { afterAll, beforeAll, expect, it } from "vitest"
import { type Client, closeClients, connectClient, connected } from "#tests/support/client.ts"
import { comeBack } from "#tests/support/cluster.ts"
import { type Gateway, startGateway } from "#tests/support/gateway.ts"
import { until } from "#tests/support/until.ts"

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(async () => {
  closeClients()
  await gateway.stop()
})

const GIVEN = "given:r"
const OTHER = "open:r"
const push = (room: string, data: unknown) => gateway.push({ rooms: [room] }, "e", data)
const seen = (client: Client): unknown[] => client.received.map(({ data }) => data)
const move = (method: "PUT" | "DELETE") => gateway.call(method, `/v1/users/eve/rooms/${encodeURIComponent(GIVEN)}`)

/** It drops, and is back when that is done. */
const awayDuring = async (client: Client, meanwhile: () => Promise<unknown>): Promise<void> => {
  const times = client.ready.length
  client.socket.io.reconnection(false)
  client.drop()
  await until("its connection to be gone", async () => {
    const { body } = await gateway.call("GET", "/v1/connections?userId=eve")
    return body.items.length === 0
  })
  await meanwhile()
  comeBack(client)
  await connected(client, times + 1)
}

it("a user taken out of a room while its client is away is out of it, and gets nothing of it, until it is given it again", async () => {
  const client = await connectClient(gateway, "eve", { rooms: [OTHER] })
  expect(await move("PUT")).toMatchObject({ status: 200, body: { connections: 1 } })
  await awayDuring(client, async () => {
    await push(GIVEN, "before")
    expect(await move("DELETE")).toMatchObject({ status: 200, body: { connections: 0 } })
    await push(GIVEN, "after")
    await push(OTHER, 1)
  })
  await push(GIVEN, "later")
  await push(OTHER, 2)
  await until("the other room's messages", () => seen(client).includes(2))
  expect([client.recovered, seen(client)]).toEqual([
    [false, true],
    [1, 2],
  ])
  expect(client.ready[1]?.rooms).toEqual([OTHER])
  expect(await move("PUT")).toMatchObject({ status: 200, body: { connections: 1 } })
  await awayDuring(client, () => push(GIVEN, 3))
  await until("the message of the room that it is in again", () => seen(client).includes(3))
  expect(client.recovered).toEqual([false, true, true])
  expect([...(client.ready[2]?.rooms ?? [])].sort()).toEqual([GIVEN, OTHER])
})
