import { describe, expect, it } from "vitest"
import { type LocalBackend, reply, SECRET, startBackend, until } from "./local-backend.ts"
import { type OpenBackend, openBackend } from "./open-backend.ts"

const UNAVAILABLE = { error: { code: "backend_unavailable", message: "the backend did not answer" }, declined: false }

const both = async (
  test: (server: LocalBackend, backend: OpenBackend) => Promise<void>,
  options: { concurrency?: number; answerBytes?: number; timeoutMs?: number } = {},
): Promise<void> => {
  await using server = await startBackend()
  const { timeoutMs, ...more } = options
  await using backend = await openBackend({
    endpoints: [{ url: server.url, secret: SECRET, events: ["*"], ...(timeoutMs !== undefined && { timeoutMs }) }],
    ...more,
  })
  await test(server, backend)
}

describe("a question to the backend", () => {
  it("is a signed POST of type, timestamp and data, and its JSON answer comes back", () =>
    both(async (server, backend) => {
      server.answer = reply(200, { price: 12, naïve: ["ü", null] })
      const before = Date.now()
      const answer = await backend.ask("message.received", {
        room: "r1",
        event: "order.create",
        payload: { text: "schön €", items: [1] },
        info: { name: "Ann" },
      })
      expect(answer).toEqual({ data: { price: 12, naïve: ["ü", null] } })
      const [request] = server.received
      expect(request).toMatchObject({
        method: "POST",
        path: "/hooks?from=roomcast",
        signatureFault: undefined,
        type: "message.received",
        data: {
          connectionId: "c1",
          userId: "ann",
          room: "r1",
          event: "order.create",
          payload: { text: "schön €", items: [1] },
          info: { name: "Ann" },
        },
      })
      expect(request?.headers["content-type"]).toBe("application/json")
      expect(request?.id).toMatch(/^msg_[\w-]{36}$/)
      expect(request?.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      expect(Date.parse(request?.timestamp ?? "")).toBeGreaterThanOrEqual(before)
      expect(backend.metrics.calls.backendCall).toEqual([["message.received", "answered", expect.any(Number)]])
      expect(backend.logs.entries).toEqual([])
    }))

  it("leaves out what is not known, and has an id of its own each time", () =>
    both(async (server, backend) => {
      await backend.ask("room.join", { room: "r1" })
      await backend.ask("room.join", { room: "r1" })
      expect(server.received[0]?.data).toEqual({ connectionId: "c1", userId: "ann", room: "r1" })
      expect(server.received[0]?.id).not.toBe(server.received[1]?.id)
    }))

  it("finds a connection that is open already", () =>
    both(async (server, backend) => {
      for (let i = 0; i < 20; i++) await backend.ask("room.join")
      expect(server.received).toHaveLength(20)
      expect(server.connections()).toBeLessThanOrEqual(2)
    }))

  it.each([
    ["204", 204, undefined, null],
    ["200 without a body", 200, undefined, null],
    ["201 with null", 201, "null", null],
    ["202 with a string", 202, '"later"', "later"],
    ["a byte order mark", 200, "\uFEFF[1]", [1]],
  ])("takes %s as an answer", (_, status, body, data) =>
    both(async (server, backend) => {
      server.answer = reply(status, body)
      expect(await backend.ask("room.join")).toEqual({ data })
    }),
  )

  it("is refused in the backend's own words by a 4xx", () =>
    both(async (server, backend) => {
      server.answer = reply(422, {
        code: "sold_out",
        message: "none left",
        details: { next: "Monday" },
        more: "unread",
      })
      expect(await backend.ask("message.received", { event: "order.create" })).toEqual({
        error: { code: "sold_out", message: "none left", details: { next: "Monday" } },
        declined: true,
      })
      expect(backend.metrics.calls.backendCall).toEqual([["message.received", "declined", expect.any(Number)]])
      expect(backend.logs.entries).toEqual([])
    }))

  it.each([
    ["no body", undefined],
    ["HTML", "<h1>secret-page</h1>"],
    ["an array", [{ code: "a", message: "b" }]],
    ["no code", { message: "secret-word" }],
    ["no message", { code: "no" }],
    ["a code with a space", { code: "not now", message: "m" }],
    ["a code that is too long", { code: "x".repeat(65), message: "m" }],
    ["a message that is too long", { code: "no", message: "m".repeat(501) }],
    ["details that are too large", { code: "no", message: "m", details: "d".repeat(4_096) }],
    ["details with a prototype in it", '{"code":"no","message":"m","details":{"__proto__":{"admin":true}}}'],
  ])("is refused with general words by a 4xx with %s, and the log says why", (_, body) =>
    both(async (server, backend) => {
      server.answer = reply(403, body)
      expect(await backend.ask("room.join")).toEqual({
        error: { code: "not_allowed", message: "the backend refused" },
        declined: true,
      })
      expect(backend.logs.entries).toMatchObject([
        {
          level: "Warn",
          annotations: { category: ["adapters", "webhook"], kind: "room.join", fault: expect.stringContaining("403") },
        },
      ])
      expect(backend.logs.text()).not.toContain("secret-")
    }),
  )

  it("keeps a code of 64 characters, a message of 500 and details of 4 kB", () =>
    both(async (server, backend) => {
      const error = { code: "x".repeat(64), message: "m".repeat(500), details: "d".repeat(4_094) }
      server.answer = reply(400, error)
      expect(await backend.ask("room.join")).toEqual({ error, declined: true })
    }))

  it.each([
    ["500", reply(500, { code: "secret-code", message: "m" }), "answered 500"],
    ["503", reply(503), "answered 503"],
    ["a redirect", reply(302, "", { location: "/elsewhere" }), "answered 302: redirects are not followed"],
    ["a 2xx that is not JSON", reply(200, "<p>secret-page</p>"), "answered 200 with a body that is not JSON"],
    ["half a JSON", reply(200, '{"a":'), "answered 200 with a body that is not JSON"],
    ["bytes that are not UTF-8", reply(200, Buffer.from([0x22, 0xff, 0x22])), "a body that is not UTF-8", "not_text"],
    ["JSON that is too deep", reply(200, `${"[".repeat(65)}${"]".repeat(65)}`), "nested at most 64 levels"],
    ["JSON with a prototype", reply(200, '{"__proto__":{"admin":true}}'), "__proto__ is not allowed"],
  ])("is backend_unavailable where the answer is %s", (_, answer, fault, outcome = "unavailable") =>
    both(async (server, backend) => {
      server.answer = answer
      expect(await backend.ask("message.received", { event: "e" })).toEqual(UNAVAILABLE)
      expect(server.received).toHaveLength(1)
      expect(backend.metrics.calls.backendCall).toEqual([["message.received", outcome, expect.any(Number)]])
      expect(backend.logs.entries).toMatchObject([
        {
          level: "Warn",
          message: "the backend did not answer",
          annotations: { fault: expect.stringContaining(fault) },
        },
      ])
      expect(backend.logs.text()).not.toContain("secret-")
      expect(backend.logs.text()).not.toContain(SECRET)
    }),
  )

  it("reads no more of an answer than its bound, and the next question is answered", () =>
    both(
      async (server, backend) => {
        let sent = 0
        server.answer = (response) => {
          response.writeHead(200)
          const more = (): void => {
            while (!response.destroyed && sent < 200_000_000) {
              sent += 65_536
              if (!response.write("x".repeat(65_536))) {
                response.once("drain", more)
                return
              }
            }
          }
          more()
        }
        expect(await backend.ask("room.join")).toEqual(UNAVAILABLE)
        expect(sent).toBeLessThan(50_000_000)
        expect(backend.logs.entries[0]?.annotations["fault"]).toBe("answered 200 with more than 1000 bytes")
        server.answer = reply(200, `"${"x".repeat(998)}"`)
        expect(await backend.ask("room.join")).toEqual({ data: "x".repeat(998) })
        server.answer = reply(200, `"${"x".repeat(999)}"`)
        expect(await backend.ask("room.join")).toEqual(UNAVAILABLE)
      },
      { answerBytes: 1_000 },
    ))

  it("is backend_unavailable when no answer comes in time, and the connection is given up", () =>
    both(async (server, backend) => {
      let gone = false
      server.answer = (_, __, request) => {
        request.socket.on("close", () => {
          gone = true
        })
      }
      expect(await backend.ask("message.received", { event: "e" }, 60)).toEqual(UNAVAILABLE)
      await until("the connection is closed", () => gone)
      expect(backend.metrics.calls.backendCall).toEqual([["message.received", "late", expect.any(Number)]])
      expect(backend.logs.entries[0]?.annotations["fault"]).toBe("no answer within 60 ms")
      expect(backend.metrics.gauge("webhook_in_flight")).toBe(0)
    }))

  it("is late too when the answer begins in time and never ends", () =>
    both(async (server, backend) => {
      server.answer = (response) => {
        response.writeHead(200)
        response.write('{"a":')
      }
      expect(await backend.ask("room.join", {}, 60)).toEqual(UNAVAILABLE)
      expect(backend.metrics.calls.backendCall).toEqual([["room.join", "late", expect.any(Number)]])
    }))

  it("takes no longer than the endpoint's own time-out", () =>
    both(
      async (server, backend) => {
        server.answer = () => {}
        expect(await backend.ask("room.join", {}, 60_000)).toEqual(UNAVAILABLE)
        expect(backend.logs.entries[0]?.annotations["fault"]).toBe("no answer within 60 ms")
      },
      { timeoutMs: 60 },
    ))

  it("is backend_unavailable where the connection is cut, before or within the answer, or refused", async () => {
    let url = ""
    await both(async (server, backend) => {
      url = server.url
      server.answer = (_, __, request) => request.socket.destroy()
      expect(await backend.ask("room.join")).toEqual(UNAVAILABLE)
      server.answer = (response, _, request) => {
        response.writeHead(200, { "content-length": "100" })
        response.write("[1", () => request.socket.destroy())
      }
      expect(await backend.ask("room.join")).toEqual(UNAVAILABLE)
      expect(backend.metrics.calls.backendCall.map(([, outcome]) => outcome)).toEqual(["unreachable", "unreachable"])
      expect(server.received).toHaveLength(2)
    })
    await using backend = await openBackend({ endpoints: [{ url, secret: SECRET, events: ["*"] }] })
    expect(await backend.ask("room.join")).toEqual(UNAVAILABLE)
    expect(backend.logs.entries[0]?.annotations["fault"]).toContain("ECONNREFUSED")
    expect(backend.logs.text()).not.toContain("/hooks")
  })

  it("is backend_unavailable at once, with retryAfterMs, when as many as may be are under way", () =>
    both(
      async (server, backend) => {
        const waiting: (() => void)[] = []
        server.answer = (response) => {
          waiting.push(() => response.end("1"))
        }
        const first = [backend.ask("room.join"), backend.ask("room.join", { userId: "bob" })]
        await until("two are under way", () => waiting.length === 2)
        expect(backend.metrics.gauge("webhook_in_flight")).toBe(2)
        expect(await backend.ask("room.join", { userId: "cy" })).toEqual({
          error: { code: "backend_unavailable", message: "the backend is busy", retryAfterMs: 1_000 },
          declined: false,
        })
        expect(backend.metrics.hits).toEqual(["webhook_concurrency"])
        expect(server.received).toHaveLength(2)
        for (const finish of waiting) finish()
        expect(await Promise.all(first)).toEqual([{ data: 1 }, { data: 1 }])
        server.answer = reply(200, "2")
        expect(await backend.ask("room.join")).toEqual({ data: 2 })
      },
      { concurrency: 2 },
    ))

  it("of others finds a place however many one user asks, who gets half of them", () =>
    both(
      async (server, backend) => {
        const waiting: (() => void)[] = []
        server.answer = (response) => {
          waiting.push(() => response.end("1"))
        }
        const greedy = Array.from({ length: 100 }, () => backend.ask("message.received", { event: "e" }))
        const refused = {
          error: {
            code: "backend_unavailable",
            message: "the backend is busy with other questions of this user",
            retryAfterMs: 1_000,
          },
          declined: false,
        }
        expect(await Promise.all(greedy.slice(4))).toEqual(Array(96).fill(refused))
        expect(backend.metrics.hits).toEqual(Array(96).fill("webhook_user_share"))
        const others = ["bob", "cy", "di"].map((userId) => backend.ask("room.join", { userId }))
        await until("seven are under way", () => waiting.length === 7)
        for (const finish of waiting) finish()
        expect(await Promise.all([...greedy.slice(0, 4), ...others])).toEqual(Array(7).fill({ data: 1 }))
        server.answer = reply(200, "2")
        expect(await Promise.all(Array.from({ length: 4 }, () => backend.ask("room.join")))).toEqual(
          Array(4).fill({ data: 2 }),
        )
      },
      { concurrency: 8 },
    ))

  it("is given up, and its place freed, when the caller goes away", () =>
    both(
      async (server, backend) => {
        let gone = false
        server.answer = (_, __, request) => {
          request.socket.on("close", () => {
            gone = true
          })
        }
        const caller = new AbortController()
        const asked = backend.ask("message.received", { event: "e" }, 60_000, caller.signal).catch(() => "interrupted")
        await until("it is under way", () => server.received.length === 1)
        caller.abort()
        expect(await asked).toBe("interrupted")
        await until("the connection is closed", () => gone)
        await until("its place is free", () => backend.metrics.gauge("webhook_in_flight") === 0)
        expect(backend.metrics.calls.backendCall).toEqual([["message.received", "stopped", expect.any(Number)]])
        server.answer = reply(200, "2")
        expect(await backend.ask("room.join")).toEqual({ data: 2 })
      },
      { concurrency: 1 },
    ))

  it("to a backend that hangs does not hold up another backend's", async () => {
    await using slow = await startBackend()
    await using quick = await startBackend()
    slow.answer = () => {}
    await using backend = await openBackend({
      endpoints: [
        { url: slow.url, secret: SECRET, events: ["slow.*"] },
        { url: quick.url, secret: SECRET, events: ["*"] },
      ],
      concurrency: 1,
    })
    const hanging = backend.ask("message.received", { event: "slow.one" }, 400)
    await until("it is under way", () => slow.received.length === 1)
    expect(await backend.ask("message.received", { event: "quick.one" })).toEqual({ data: { ok: true } })
    expect(await hanging).toEqual(UNAVAILABLE)
  })
})
