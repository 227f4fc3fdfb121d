import { expect, it } from "vitest"
import { reply, SECRET, startBackend } from "./local-backend.ts"
import { openBackend } from "./open-backend.ts"

it.each(["connection.connect", "room.join", "room.publish"] as const)(
  "lets in where %s is answered with a 2xx, whatever its text: frameworks send OK",
  async (kind) => {
    await using server = await startBackend()
    await using backend = await openBackend({ endpoints: [{ url: server.url, secret: SECRET, events: [kind] }] })
    server.answer = reply(200, "OK")
    expect(await backend.ask(kind, { room: "r1" })).toEqual({ data: null })
    expect(backend.logs.entries).toEqual([])
  },
)
