import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { type RawClient, rawClient } from "#tests/support/raw-client.ts"
import { until } from "#tests/support/until.ts"

const PER_SECOND = 10

const SLOW_CONNECT = `import { defineHandler } from "roomcast"
export default defineHandler({ on: "connect", async handle() { await new Promise((done) => setTimeout(done, 500)) } })
`

let gateway: Gateway
let limited: Gateway
const handlers = mkdtempSync(join(tmpdir(), "roomcast-handlers-"))
beforeAll(async () => {
  writeFileSync(join(handlers, "slow-connect.ts"), SLOW_CONNECT)
  gateway = await startGateway({ handlers })
  limited = await startGateway({ limits: { connectsPerSecondPerAddress: PER_SECOND } })
})
afterAll(async () => {
  closeClients()
  await gateway.stop()
  await limited.stop()
  rmSync(handlers, { recursive: true, force: true })
})

const connectionsOf = async (
  userId: string,
): Promise<readonly { readonly connectionId: string; transport: string }[]> =>
  (await gateway.call("GET", `/v1/users/${userId}`)).body.connections

/** Everything that a client was let in for is written off again. */
const nothingIsLeft = async (userId: string): Promise<void> => {
  await until("no connection to be left", async () => (await gateway.metric("roomcast_connections")) === 0)
  expect(await connectionsOf(userId)).toEqual([])
  expect(await gateway.metric("roomcast_rooms")).toBe(0)
}

describe("a client that goes away before it is in", () => {
  it.each([
    ["its network drops", (client: RawClient) => client.ws.terminate()],
    ["it leaves the namespace", (client: RawClient) => client.send("41")],
    ["it sends an event too early", (client: RawClient) => client.send('42["early"]')],
    ["it closes the WebSocket", (client: RawClient) => client.ws.close()],
  ])("leaves nothing behind where %s right after its CONNECT", async (_, leave) => {
    const auth = JSON.stringify({ token: await token("hasty") })
    for (let i = 0; i < 20; i++) {
      const client = await rawClient(gateway)
      client.send(`40${auth}`)
      if (i % 4 > 0) await new Promise((done) => setTimeout(done, i % 4))
      leave(client)
      await until("its end", client.isGone)
    }
    // Each was let in, or not at all, by now: whoever comes after them is.
    const { socket } = await connectClient(gateway, "after")
    socket.disconnect()
    await nothingIsLeft("hasty")
  })

  it("leaves nothing behind where it is gone while the connect handler thinks", async () => {
    const client = await rawClient(gateway)
    client.send(`40${JSON.stringify({ token: await token("hooked") })}`)
    await until("it to be registered", async () => (await connectionsOf("hooked")).length === 1)
    client.ws.terminate()
    const { socket } = await connectClient(gateway, "after")
    socket.disconnect()
    await nothingIsLeft("hooked")
  })
})

describe("while the connect handler thinks", () => {
  it("a client that the backend sends away is told so, and stays away", async () => {
    const client = await connectClient(gateway, "unwanted", { wait: false })
    await until("it to be registered", async () => (await connectionsOf("unwanted")).length === 1)
    const { body, status } = await gateway.call("DELETE", "/v1/users/unwanted/connections")
    expect([status, body.disconnected]).toEqual([200, 1])
    await until("it to be told", () => client.closings.length > 0 && client.disconnects.length > 0)
    expect(client.closings).toMatchObject([{ code: "disconnected", reconnect: false }])
    expect(client.disconnects).toEqual(["io server disconnect"])
    expect(client.socket.active).toBe(false)
    expect(client.ready).toEqual([])
  })

  it("a client that changes to WebSocket is listed with it", async () => {
    const client = await connectClient(gateway, "upgrader", { transports: ["polling", "websocket"] })
    expect(client.socket.io.engine.transport.name).toBe("websocket")
    await until(
      "its transport to be known",
      async () => (await connectionsOf("upgrader"))[0]?.transport === "websocket",
    )
  })
})

describe("a handshake", () => {
  const handshake = (query: string): Promise<number> =>
    new Promise((resolve) => {
      const { hostname, port } = new URL(limited.url)
      const socket = connect(Number(port), hostname)
      socket.on("error", () => resolve(0))
      socket.once("data", (data) => {
        resolve(Number(String(data).split(" ")[1]))
        socket.destroy()
      })
      socket.write(
        `GET /socket.io/?EIO=4&transport=websocket${query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      )
    })

  it.each(["&sid=", "&sid=x&sid=", "&sid", "#&sid=x", "&s%69d="])(
    "that says %s instead of an engine session is limited like every other",
    async (query) => {
      const statuses = await Promise.all(Array.from({ length: 15 * PER_SECOND }, () => handshake(query)))
      const letIn = statuses.filter((status) => status === 101).length
      expect(letIn).toBeLessThan(statuses.length)
      expect(statuses.filter((status) => status === 429).length).toBe(statuses.length - letIn)
    },
  )
})
