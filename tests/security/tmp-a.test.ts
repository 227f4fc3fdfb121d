import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { closeClients, connectClient, connected } from "#tests/support/client.ts"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { rawClient, rawUser } from "#tests/support/raw-client.ts"
import { until } from "#tests/support/until.ts"

let g: Gateway
beforeAll(async () => { g = await startGateway({ limits: { eventsPerSecond: 50, connectsPerSecondPerAddress: 100 } }) })
afterAll(async () => { closeClients(); console.log(g.output().slice(-3000)); await g.stop() })
const count = async () => [await g.metric("roomcast_connections"), (await g.call("GET","/v1/users/u1")).body.connections?.length]

it("F1 leak", async () => {
  const t = await token("u1")
  for (let i = 0; i < 20; i++) {
    const c = await rawClient(g)
    c.send(`40${JSON.stringify({ token: t })}`)
    if (i % 2) c.send("41"); else c.ws.terminate()
  }
  await sleep(500)
  console.log("F1", await count())
})
it("F1b leak by packet before answer", async () => {
  const t = await token("u1")
  for (let i = 0; i < 10; i++) {
    const c = await rawClient(g)
    c.send(`40${JSON.stringify({ token: t })}`); c.send('42["x"]')
  }
  await sleep(500)
  console.log("F1b", await count())
})
it("F2 bypass", async () => {
  for (const q of ["", "&sid=", "&sid=x&sid=", "#&sid=1"]) {
    let ok = 0, no = 0
    const { hostname, port } = new URL(g.url)
    await Promise.all(Array.from({ length: 400 }, () => new Promise<void>((r) => {
      const s = connect(Number(port), hostname)
      s.on("error", () => r())
      let text = ""
      s.on("data", (d) => { text += d; if (text.includes("101 Sw")) ok++; else no++; s.destroy(); r() })
      s.on("close", () => r())
      s.write(`GET /socket.io/?EIO=4&transport=websocket${q} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`)
    })))
    console.log("F2", JSON.stringify(q), { ok, no })
  }
  await sleep(1500)
})
it("F5 presence", async () => {
  const w = await connectClient(g, "w", { rooms: ["shown:r"] })
  const c = await connectClient(g, "p", { rooms: ["shown:r"] })
  const pid = c.ready[0]!.resume
  let pos: string | undefined
  c.socket.onAny((...a) => { pos = a.at(-1) })
  await g.push({ rooms: ["shown:r"] }, "x", 1)
  await until("pos", () => pos !== undefined)
  const d = await connectClient(g, "p", { auth: { pid, offset: pos } })
  console.log(d.ready)
  await sleep(300)
  d.socket.disconnect(); c.socket.disconnect()
  await sleep(6000)
  console.log("F5", JSON.stringify(w.received.filter((r) => r.event.startsWith("room:")).map((r) => [r.event, r.data.connectionId])))
})
