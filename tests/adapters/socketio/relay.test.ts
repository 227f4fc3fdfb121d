import { afterEach, describe, expect, it } from "vitest"
import { SECRET } from "#tests/support/passing-nodes.ts"
import { metricOf } from "#tests/support/socketio-node.ts"
import { until } from "#tests/support/until.ts"
import {
  closeAll,
  firstOn,
  get,
  type RawConnection,
  RUNTIMES,
  type StartFirst,
  startOwner,
  UPGRADE,
  WEBSOCKET,
  write,
} from "./passing-fixture.ts"

afterEach(closeAll)

const RELAYS = "roomcast_relays"
const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

type Waits = NonNullable<NonNullable<Parameters<StartFirst>[1]>["passOn"]>

const isOver = (url: string) => until("no relay", async () => (await metricOf(url, RELAYS)) === 0)
const gone = ({ isClosed }: RawConnection) => until("the client's side to be closed", isClosed)

describe.each(RUNTIMES)("on %s", (runtime) => {
  const startFirst = firstOn(runtime)

  /** A WebSocket of a session on the other node, as far as bytes go. */
  const open = async (passOn: Waits = {}) => {
    const owner = await startOwner()
    const first = await startFirst(owner.url, { passOn })
    const client = write(
      first.url,
      get(WEBSOCKET, `${UPGRADE}Sec-WebSocket-Key: k\r\nX-Roomcast-Client: 192.0.2.9\r\n`),
    )
    await until("the upgrade", () => owner.upgrades.length === 1)
    const [upgrade] = owner.upgrades
    if (upgrade === undefined) throw new Error("no upgrade")
    upgrade.socket.write(SWITCHED)
    await until("the answer", () => client.text() === SWITCHED)
    return { client, first, owner, upgrade }
  }
  describe("a WebSocket of another node's session", () => {
    it("is relayed, byte for byte, with the client's headers, the secret and its address", async () => {
      const { client, first, upgrade } = await open()
      expect(upgrade.request.headers).toMatchObject({
        "sec-websocket-key": "k",
        "x-roomcast-hop": SECRET,
        "x-roomcast-client": "127.0.0.1",
      })
      expect(await metricOf(first.url, RELAYS)).toBe(1)
      let received = ""
      upgrade.socket.on("data", (chunk) => (received += chunk.toString("latin1")))
      client.tcp.write(Buffer.from([0x81, 0x00, 0xff]))
      upgrade.socket.write(Buffer.from([0x82, 0xfe]))
      await until("both ways", () => received === "\x81\x00\xff" && client.text() === `${SWITCHED}\x82\xfe`)
    })

    it("ends with what the other node said last, also where its client reads slowly", async () => {
      const { client, first, upgrade } = await open()
      const { tcp } = client
      tcp.on("data", () => {
        tcp.pause()
        setTimeout(() => tcp.resume(), 2)
      })
      const last = "x".repeat(8_000_000)
      upgrade.socket.end(last)
      await gone(client)
      expect(client.text().length).toBe(SWITCHED.length + last.length)
      await isOver(first.url)
    })

    it.each(["end", "destroy", "resetAndDestroy"] as const)("ends there where its client goes (%s)", async (goes) => {
      const { client, first, upgrade } = await open()
      upgrade.socket.on("end", () => upgrade.socket.end())
      client.tcp[goes]()
      await until("the other node to see it", () => upgrade.socket.readableEnded || upgrade.socket.destroyed)
      upgrade.socket.resume()
      await isOver(first.url)
    })

    it("does not stay half closed where the other node does not go after its client", async () => {
      const { client, first, upgrade } = await open({ waits: { lingerMs: 200 } })
      upgrade.socket.resume()
      client.tcp.end()
      await isOver(first.url)
    })

    it("does not stay half closed where the client does not go after the other node", async () => {
      const { client, first, upgrade } = await open({ waits: { lingerMs: 200 } })
      client.tcp.allowHalfOpen = true
      upgrade.socket.end()
      await isOver(first.url)
    })

    it.each(["client", "other node"])("is cut where the %s takes nothing", async (who) => {
      const { client, first, upgrade } = await open({ waits: { stallMs: 300 } })
      const [from, to] = who === "client" ? [upgrade.socket, client.tcp] : [client.tcp, upgrade.socket]
      to.pause()
      from.write(Buffer.alloc(20_000_000))
      from.on("error", () => undefined)
      await isOver(first.url)
      await until("the other side to be cut", () => from.destroyed)
      expect(await metricOf(first.url, 'roomcast_limit_hits_total{limit="pass_on_wait"}')).toBe(1)
    })

    it("is refused by this node as an unknown session where the other is gone or does not answer", async () => {
      const dead = await startFirst("http://127.0.0.1:1")
      const mute = await startFirst((await startOwner()).url, { passOn: { waits: { answerMs: 200 } } })
      for (const { url } of [dead, mute]) {
        const client = write(url, get(WEBSOCKET, `${UPGRADE}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n`))
        await gone(client)
        expect(client.text()).toMatch(/^HTTP\/1\.1 400 /)
        expect(client.text()).toContain("Session ID unknown")
        await isOver(url)
        const waited = url === mute.url ? 1 : 0
        expect(await metricOf(url, 'roomcast_limit_hits_total{limit="pass_on_wait"}')).toBe(waited)
      }
    })

    it("takes no request along behind its own", async () => {
      const owner = await startOwner()
      const first = await startFirst(owner.url)
      const hidden = get("/hidden")
      write(first.url, `${get(WEBSOCKET, `${UPGRADE}Content-Length: ${hidden.length}\r\n`)}${hidden}`)
      await until("the upgrade", () => owner.upgrades.length === 1)
      expect(owner.upgrades[0]?.request.headers).not.toHaveProperty("content-length")
      expect(owner.requests).toEqual([])
    })

    it("is one too many past the most at once: 503, and a limit hit", async () => {
      const { first } = await open({ most: { requests: 0, relays: 1 } })
      const second = write(first.url, get(WEBSOCKET, UPGRADE))
      await gone(second)
      expect(second.text()).toMatch(/^HTTP\/1\.1 503 [\s\S]*"node_full"/)
      expect(await metricOf(first.url, 'roomcast_limit_hits_total{limit="relays"}')).toBe(1)
    })

    it("ends on both sides when the node ends", async () => {
      const { client, first, upgrade } = await open()
      upgrade.socket.resume()
      const closing = first.close()
      await gone(client)
      await until("the other node to see it", () => upgrade.socket.destroyed || upgrade.socket.readableEnded)
      await closing
    })
  })
})
