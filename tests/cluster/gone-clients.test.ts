import { expect, it } from "vitest"
import { nodeAt, startCluster } from "#tests/support/cluster.ts"
import { token } from "#tests/support/gateway.ts"
import { rawClient } from "#tests/support/raw-client.ts"
import { until } from "#tests/support/until.ts"

it("clients that go as their CONNECT is answered are no errors in the log, and leave nothing behind", async () => {
  await using cluster = await startCluster(1)
  const node = nodeAt(cluster, 0)
  const auth = JSON.stringify({ token: await token("hasty") })
  for (let i = 0; i < 10; i++) {
    const client = await rawClient(node)
    client.ws.on("message", (data) => {
      if (String(data).startsWith("40{")) client.ws.terminate()
    })
    client.send(`40${auth}`)
    await until("its end", client.isGone)
  }
  await until("no connection to be left", async () => (await node.metric("roomcast_connections")) === 0)
  const connections = async () => (await node.call("GET", "/v1/users/hasty")).body.connections
  await until("none to be listed", async () => (await connections()).length === 0)
  expect(node.output().match(/.*"level":"error".*/g)).toBe(null)
})
