import { createServer } from "node:http"
import { afterEach, expect, it } from "vitest"
import { Hops } from "#adapters/socketio/hops.ts"
import { portOf } from "./passing-fixture.ts"

const opened: (() => void)[] = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

/** What is left of a request's headers, and what is believed of it, where that is the secret. */
const receive = async (secret: string | undefined, headers: Record<string, string>) => {
  const hops = new Hops(() => secret)
  const server = createServer((request, response) => {
    hops.receive(request)
    response.end(
      JSON.stringify({
        left: Object.keys(request.headers).filter((name) => name.startsWith("x-")),
        passedOn: hops.isPassedOn(request),
        client: hops.clientOf(request) ?? "unknown",
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  opened.push(() => void server.close())
  return (await fetch(`http://127.0.0.1:${portOf(server)}`, { headers })).json()
}

const HOP = { "x-roomcast-hop": "secret", "x-roomcast-client": "192.0.2.1", "x-other": "1" }

it("believes who knows the secret, and leaves neither header to anybody", async () => {
  expect(await receive("secret", HOP)).toEqual({ left: ["x-other"], passedOn: true, client: "192.0.2.1" })
  const { "x-roomcast-client": _, ...unnamed } = HOP
  expect(await receive("secret", unnamed)).toEqual({ left: ["x-other"], passedOn: true, client: "unknown" })
})

it.each(["Secret", "secret2", "secre", ""])(
  "does not believe who says %j, and takes both headers off",
  async (word) => {
    const nothing = { left: ["x-other"], passedOn: false, client: "unknown" }
    expect(await receive("secret", { ...HOP, "x-roomcast-hop": word })).toEqual(nothing)
  },
)

it("believes nobody while no secret is known, whatever they say", async () => {
  for (const word of ["", "undefined", "secret"])
    expect(await receive(undefined, { ...HOP, "x-roomcast-hop": word })).toMatchObject({ passedOn: false })
  expect(new Hops(() => undefined).headersFor("192.0.2.1")).toBeUndefined()
})
