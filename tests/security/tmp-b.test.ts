import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, expect, it } from "vitest"
import { closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startGateway, token } from "#tests/support/gateway.ts"
import { rawClient, rawUser } from "#tests/support/raw-client.ts"
import { until } from "#tests/support/until.ts"

let g: Gateway
beforeEach(async () => { g = await startGateway({ rooms: [{ match: "open:*", join: "anyone", publish: "members", history: { size: 100, ttl: "1h" } }], limits: { eventsPerSecond: 50, connectsPerSecondPerAddress: 0 } }) })
afterEach(async () => { closeClients(); await g.stop() })
const mib = async () => Math.round(await g.memory() / 1048576)

it("F3 polling unread", async () => {
  const pad = "x".repeat(5_000)
  for (let i = 0; i < 100; i++) await g.push({ rooms: ["open:h"] }, "e", pad)
  const t = await token("poller")
  const base = `${g.url}/socket.io/?EIO=4&transport=polling`
  const open = await (await fetch(base)).text()
  const sid = JSON.parse(open.slice(1)).sid
  const post = (b: string) => fetch(`${base}&sid=${sid}`, { method: "POST", body: b }).then((r) => r.text())
  await post(`40${JSON.stringify({ token: t })}`)
  await (await fetch(`${base}&sid=${sid}`)).text()
  await post(`420["room:join",{"room":"open:h"}]`)
  const before = await mib()
  const { hostname, port } = new URL(g.url)
  let closed = 0
  const socks = []
  for (let i = 0; i < 200; i++) {
    if ((await post(`42${i + 1}["room:history",{"room":"open:h","limit":100}]`)) !== "ok") { console.log("cut", i); break }
    const s = connect(Number(port), hostname); s.on("error", () => 0); s.on("close", () => closed++)
    s.pause()
    s.write(`GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`)
    socks.push(s)
    await sleep(25)
  }
  console.log("F3", before, await mib(), { closed })
  for (const s of socks) s.destroy()
})
it("F4 digest", async () => {
  const c = await rawUser(g, "d")
  c.send(`420["room:join",{"room":"open:d"}]`)
  const before = await mib()
  const pad = "y".repeat(90_000)
  const bots = [c]
  for (let i = 0; i < 9; i++) { const b = await rawUser(g, "d"); b.send(`420["room:join",{"room":"open:d${i}"}]`); bots.push(b) }
  for (let r = 0; r < 10; r++) { for (const [k, b] of bots.entries()) { if (k === 0) continue; for (let i = 0; i < 40; i++) b.send(`42["room:publish",{"room":"open:d${k-1}","event":"e","id":"${r}-${k}-${i}","echo":false,"data":"${r}${k}${i}${pad}"}]`) } await sleep(900) }
  await sleep(500)
  console.log("F4", before, await mib(), "idem", await g.metric("roomcast_idempotency_records"))
  for (const b of bots) b.ws.terminate()
}, 60_000)
it("F7 auth", async () => {
  const t = await token("auth")
  const before = await mib()
  const junk = "[" + Array(70_000).fill("[]").join(",") + "]"
  const cs = []
  for (let i = 0; i < 40; i++) { const c = await rawClient(g); c.send(`40{"token":"${t}","junk":${junk}}`); cs.push(c) }
  await sleep(1500)
  console.log("F7", before, await mib(), await g.metric("roomcast_connections"))
  for (const c of cs) c.ws.terminate()
  await sleep(500)
}, 60_000)
it("F6 waiting", async () => {
  const pad = "x".repeat(5_000)
  for (let i = 0; i < 100; i++) await g.push({ rooms: ["open:h"] }, "e", pad)
  const c = await rawUser(g, "waiter")
  c.send(`420["room:join",{"room":"open:h"}]`)
  await sleep(200)
  const before = await mib()
  const junk = "[" + Array(70_000).fill("[]").join(",") + "]"
  c.ws.pause()
  for (let i = 0; i < 10; i++) c.send(`421["room:history",{"room":"open:h"}]`)
  let most = 0
  for (let i = 0; i < 150; i++) { c.send(`42["x",${junk}]`); await sleep(20); if (i % 10 === 0) { most = Math.max(most, await mib()); } }
  console.log("F6", before, most, c.isGone())
  c.ws.terminate()
}, 60_000)
it("F8 refusals unread with a drip reader", async () => {
  const pad = "x".repeat(5_000)
  for (let i = 0; i < 100; i++) await g.push({ rooms: ["open:h"] }, "e", pad)
  const c = await rawUser(g, "dripper")
  c.send(`420["room:join",{"room":"open:h"}]`)
  await sleep(200)
  c.ws.pause()
  for (let i = 0; i < 30; i++) c.send(`421["room:history",{"room":"open:h"}]`)
  for (let i = 0; i < 150; i++) { c.send(`42${i}["x",1]`); await sleep(8) }
  console.log("F8", await mib(), "buffer", await g.metric("roomcast_outgoing_buffer_bytes"), c.isGone())
  c.ws.terminate()
}, 60_000)
it("F10 history hammer", async () => {
  const pad = "x".repeat(500)
  for (let i = 0; i < 100; i++) await g.push({ rooms: ["open:h"] }, "e", pad.repeat(10))
  const w = await connectClient(g, "witness", { rooms: ["open:w"] })
  const lat = async () => { let most = 0, sum = 0; for (let i = 0; i < 20; i++) { const b = performance.now(); await g.push({ rooms: ["open:w"] }, "a", i); await until("x", () => w.received.at(-1)?.data === i); const d = performance.now() - b; most = Math.max(most, d); sum += d; await sleep(30) } return [Math.round(sum / 20), Math.round(most)] }
  console.log("F10 quiet", await lat())
  for (const n of [1, 5, 15]) {
    const bots = []
    for (let k = 0; k < n; k++) { const b = await rawUser(g, "hammer"); b.packets.push = () => 0; b.send(`420["room:join",{"room":"open:h"}]`); bots.push(b) }
    await sleep(100)
    let stop = false
    const run = (async () => { while (!stop) { for (const b of bots) b.send(`421["room:history",{"room":"open:h","limit":100}]`); await sleep(20) } })()
    await sleep(1000)
    console.log("F10", n, await lat(), await mib())
    stop = true; await run; for (const b of bots) b.ws.terminate()
    await sleep(500)
  }
}, 60_000)
