import { WebSocket } from "ws"
import { type Gateway, token } from "./gateway.ts"
import { until } from "./until.ts"

/** A client that speaks Engine.IO and Socket.IO by hand, and so can do what a stock client does not. */
export interface RawClient {
  readonly ws: WebSocket
  /** Engine.IO packets, as text. */
  readonly packets: string[]
  readonly isGone: () => boolean
  readonly send: (packet: string) => void
  /** CONNECT to `/`, and its answer. */
  readonly join: (auth: object) => Promise<string>
}

export const rawClient = async (gateway: Pick<Gateway, "url">, { reads = true } = {}): Promise<RawClient> => {
  const ws = new WebSocket(`${gateway.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`)
  const packets: string[] = []
  let gone = false
  ws.on("message", (data) => {
    const text = String(data)
    if (text === "2") ws.send("3")
    else packets.push(text)
  })
  ws.on("error", () => undefined)
  ws.on("close", () => (gone = true))
  await until("an engine session", () => packets.length > 0 || gone)
  if (!reads) ws.pause()
  return {
    ws,
    packets,
    isGone: () => gone,
    send: (packet) => ws.send(packet),
    join: async (auth) => {
      ws.send(`40${JSON.stringify(auth)}`)
      const answer = () => packets.find((packet) => packet.startsWith("40{") || packet.startsWith("44"))
      await until("the answer to CONNECT", () => answer() !== undefined || gone)
      return answer() ?? "gone"
    },
  }
}

/** A raw client that is in as this user. */
export const rawUser = async (gateway: Pick<Gateway, "url">, userId: string): Promise<RawClient> => {
  const client = await rawClient(gateway)
  const answer = await client.join({ token: await token(userId) })
  if (!answer.startsWith("40")) throw new Error(`not let in: ${answer}`)
  return client
}
