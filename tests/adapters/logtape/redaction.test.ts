import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import { isSensitiveField, redactText } from "#adapters/logtape/redaction.ts"
import { Refusal } from "#domain/errors.ts"
import { type Logged, logged } from "#tests/adapters/logtape/logged.ts"

const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEtcHJpdmF0ZSJ9.c2lnbmF0dXJlLXByaXZhdGU"

/** By kind: how it stands in a text, and the part of it that must never be seen. */
const SECRETS = {
  "a JWT": [JWT, "c2lnbmF0dXJlLXByaXZhdGU"],
  "a JWT's content": [JWT, "eyJzdWIiOiJhbmEtcHJpdmF0ZSJ9"],
  "a JWT in a URL": [`/socket.io/?next=a%3D${JWT}&x=1`, "c2lnbmF0dXJlLXByaXZhdGU"],
  "half a JWT": [JWT.slice(0, 40), "eyJhbGciOiJIUzI1NiJ9"],
  "an API key": ["rc_live_4f9a8b7c6d5e", "4f9a8b7c6d5e"],
  "a webhook secret": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
  "a bearer token": ["Authorization: Bearer opaque-bearer-value", "opaque-bearer-value"],
  "a bearer token alone": ["sent bearer opaque-bearer-value, refused", "opaque-bearer-value"],
  "basic credentials": ["Basic YWxhZGRpbjpvcGVuc2VzYW1l", "YWxhZGRpbjpvcGVuc2VzYW1l"],
  "a cookie header": ["Cookie: theme=dark; login=opaque-cookie-value", "opaque-cookie-value"],
  "a set-cookie header": ["set-cookie: login=opaque-cookie-value; HttpOnly", "opaque-cookie-value"],
  "an e-mail address": ["ana.maria+test@mail.example.org", "ana.maria"],
  "an e-mail address in letters of any script": ["josé@exämple.com", "exämple"],
  "an IPv4 address": ["client 203.0.113.77:51000 left", "203.0.113.77"],
  "an IPv6 address": ["client [2001:db8:7::1f]:443 left", "2001:db8:7::1f"],
  "an IPv6 address in full": ["from 2001:0db8:0000:0000:0000:ff00:0042:8329.", "ff00:0042:8329"],
  "a mapped IPv4 address": ["address:::ffff:203.0.113.77", "203.0.113.77"],
  "a password in a URL": ["redis://default:hunter2pass@redis.example:6379/0", "hunter2pass"],
  "a query's token": ["GET /x?token=opaque-query-value&y=2", "opaque-query-value"],
  "an Engine.IO session id": ["/socket.io/?EIO=4&sid=opaque-sid-value", "opaque-sid-value"],
  "a password in a text": ["password=hunter2pass", "hunter2pass"],
  "a secret in a JSON text": ['{"clientSecret":"opaque-json-value"}', "opaque-json-value"],
  "a secret in a JSON text that a JSON text holds": [
    JSON.stringify({ body: '{"password":"opaque-json-value"}' }),
    "opaque-json-value",
  ],
  "a cookie in a JSON text that a JSON text holds": [
    JSON.stringify([JSON.stringify(['{"cookie":"login=opaque-cookie-value"}'])]),
    "opaque-cookie-value",
  ],
  "a secret in an encoded URL": ["/x?q=a%20b&next=%22clientSecret%22%3A%22opaque-json-value%22", "opaque-json-value"],
  "an encoded address": ["/x?user=ana.maria%40example.org", "ana.maria"],
  "a private key": ["-----BEGIN PRIVATE KEY-----\nMIIEprivatepart\n-----END PRIVATE KEY-----", "MIIEprivatepart"],
} as const satisfies Record<string, readonly [text: string, hidden: string]>

/** Values that no pattern knows: their field's name hides them. */
const FIELDS = [
  "token",
  "accessToken",
  "authorization",
  "Authorization",
  "cookie",
  "set-cookie",
  "secret",
  "webhook_secret",
  "password",
  "key",
  "apiKey",
  "x-api-key",
  "pid",
  "session",
  "sessionId",
  "session_id",
  "sid",
  "data",
  "payload",
  "body",
  "email",
  "userEmail",
  "address",
  "clientAddress",
  "IPAddress",
  "ip",
  "remoteIp",
  "info",
]
const HIDDEN = "opaque-value-of-a-field"

class Described extends Data.TaggedError("Described")<{ readonly note: string; readonly token: string }> {}

class Holder {
  readonly note: string
  readonly secret = HIDDEN
  constructor(note: string) {
    this.note = note
  }
}

const circular = (note: string): object => {
  const held: { note: string; self?: unknown } = { note }
  held.self = held
  return held
}

/** Every way by which a text comes into a log. */
const WAYS: Record<string, (text: string) => Effect.Effect<unknown>> = {
  "the message": (text) => Effect.logInfo(`it said ${text}`),
  "a second part of the message": (text) => Effect.logInfo("it said", text),
  "a message that looks like a template": (text) =>
    Effect.logInfo(`{token} {*} {note} ${text}`, { note: text, token: text }),
  "a property": (text) => Effect.logInfo("seen", { note: text }),
  "an annotation": (text) => Effect.logInfo("seen").pipe(Effect.annotateLogs({ note: text })),
  "a nested object": (text) => Effect.logInfo("seen", { request: { deep: { deeper: { note: text } } } }),
  "an array": (text) => Effect.logInfo("seen", { notes: [1, [text], { note: text }] }, [text]),
  "a map and a set": (text) => Effect.logInfo("seen", { map: new Map([["note", text]]), set: new Set([text]) }),
  "a property's name": (text) => Effect.logInfo("seen", { [text]: 1, nested: { [text]: 1 } }),
  "an instance of a class": (text) => Effect.logInfo("seen", { holder: new Holder(text) }, new Holder(text)),
  "a circular object": (text) => Effect.logInfo("seen", { held: circular(text) }),
  "what makes its own JSON": (text) => Effect.logInfo("seen", { made: { toJSON: () => ({ note: text }) } }),
  "a URL": (text) => Effect.logInfo("seen", { url: new URL(`http://h.example/?${text.replace(/[\r\n]/g, "")}`) }),
  "an error": (text) => Effect.logError("failed", new Error(text)),
  "an error as a property": (text) => Effect.logError("failed", { reason: new TypeError(text) }),
  "an error's cause": (text) => Effect.logError("failed", new Error("outer", { cause: new Error(text) })),
  "an error's cause that is a text": (text) => Effect.logError("failed", new Error("outer", { cause: text })),
  "an error's property": (text) => Effect.logError("failed", Object.assign(new Error("outer"), { note: text })),
  "an error of errors": (text) => Effect.logError("failed", new AggregateError([new Error(text)], text)),
  "an error's name": (text) => Effect.logError("failed", Object.assign(new Error("x"), { name: text })),
  "an error's stack": (text) =>
    Effect.logError("failed", Object.assign(new Error("x"), { stack: `Error: x\n    at ${text}` })),
  "a tagged error": (text) => Effect.logError("failed", new Described({ note: text, token: HIDDEN })),
  "a refusal": (text) => Effect.logWarning("refused", new Refusal("unauthorized", text)),
  "a cause of Effect's": (text) => Effect.logError("failed", Cause.fail({ note: text })),
  "a defect": (text) =>
    Effect.die(new Error(text)).pipe(Effect.catchCause((cause) => Effect.logError("failed", cause))),
  "a failure with its cause": (text) =>
    Effect.fail(new Refusal("not_allowed", text)).pipe(Effect.catchCause((cause) => Effect.logError(cause))),
  "several causes": (text) => Effect.logError("failed", Cause.combine(Cause.die(text), Cause.fail(new Error(text)))),
}

const sinks = async (effect: Effect.Effect<unknown>, redact = true): Promise<Record<string, string>> => {
  const json = await logged({ redact }, effect)
  const pretty = await logged({ redact, format: "pretty" }, effect)
  return { json: json.out, pretty: pretty.out, file: json.files, "file beside pretty": pretty.files }
}

const allWays = (text: string): Effect.Effect<unknown> =>
  Effect.forEach(Object.values(WAYS), (way) => way(text), { discard: true })

describe("what is secret or personal reaches no log", () => {
  it.each(Object.entries(SECRETS))("%s, whatever way it comes", async (_, [text, hidden]) => {
    for (const [sink, written] of Object.entries(await sinks(allWays(text)))) {
      expect(written.split("\n").length, sink).toBeGreaterThan(Object.keys(WAYS).length)
      expect(written, sink).not.toContain(hidden)
      expect(written, sink).toContain("[redacted]")
    }
  })

  it("and these ways do show a harmless text, and everything once redaction is off", async () => {
    for (const [way, log] of Object.entries(WAYS))
      for (const [sink, written] of Object.entries(await sinks(log("harmless-text")))) {
        expect(written, `${way}, ${sink}`).toContain("harmless-text")
        expect(written, `${way}, ${sink}`).not.toContain(HIDDEN)
      }
    for (const [sink, written] of Object.entries(await sinks(allWays(JWT), false))) expect(written, sink).toContain(JWT)
  })

  it.each(FIELDS)("the value of a field named %s", async (name) => {
    const effect = Effect.logInfo("seen", { [name]: HIDDEN }, { deep: [{ [name]: { inside: HIDDEN } }] }).pipe(
      Effect.annotateLogs({ [name]: [HIDDEN] }),
      Effect.andThen(Effect.logError("failed", Object.assign(new Error("x"), { [name]: HIDDEN }))),
      Effect.andThen(Effect.logError("failed", Cause.fail({ [name]: HIDDEN }))),
      Effect.andThen(Effect.logInfo("seen", { map: new Map([[name, HIDDEN]]) })),
      Effect.andThen(Effect.logInfo("seen", { headers: { [name]: HIDDEN, kept: "kept-value" } })),
    )
    for (const [sink, written] of Object.entries(await sinks(effect))) {
      expect(written, sink).not.toContain(HIDDEN)
      expect(written, sink).toContain("kept-value")
    }
  })

  it("what Effect calls redacted, and bytes", async () => {
    const all = await sinks(
      Effect.logInfo("seen", {
        note: Redacted.make(HIDDEN),
        bytes: new TextEncoder().encode(HIDDEN),
        view: new DataView(new ArrayBuffer(9)),
      }),
      false,
    )
    for (const written of Object.values(all)) expect(written).not.toContain(HIDDEN)
    expect(all["json"]).toContain("[9 bytes]")
  })

  it("half a secret, where a long text was cut", async () => {
    for (let before = 3_900; before < 4_010; before += 7) {
      const text = `${"word ".repeat(before / 5)}${JWT} ${"more ".repeat(2_000)}`
      const { out, files } = await logged({}, Effect.logInfo("seen", { note: text }))
      for (const written of [out, files]) expect(written).not.toMatch(/eyJ/)
    }
    const many = `${"ana@example.org ".repeat(600)}${"x".repeat(100)}${JWT}`
    expect((await logged({}, Effect.logInfo(many))).out).not.toMatch(/eyJ|ana@|zdWIi/)
  })
})

describe("what an operator needs is kept", () => {
  it("ids, rooms, codes, counts, times and the host's own addresses", async () => {
    const properties = {
      connectionId: "p2Xk9sQ7aB4cD8eF1gH3",
      messageId: "01JCXN3T8D2Q",
      requestId: "3f2b8c1e-7a6d-4e5f-9b0a-1c2d3e4f5a6b",
      keyId: "backend",
      room: "chat:42",
      code: "token_expired",
      payloadBytes: 512,
      at: "12:34:56",
      version: "v1.2.3",
      took: 1.5,
      listening: "http://127.0.0.1:8137 [::1]:8137 0.0.0.0:8137 ::",
    }
    const { records } = await logged({}, Effect.logInfo("seen", properties))
    expect(records[0]).toMatchObject(properties)
  })

  it.each([
    "std::vector",
    "12:34:56",
    "src/adapters/redis.ts:10:5",
    "x::y",
    "100%25 of it, a%20b",
    "1.2.3",
    "sessions are kept",
    "the key set cannot be had",
    "::",
    "::1",
    "127.0.0.1:8137",
    "::ffff:127.0.0.1",
    "room chat:1:2:3",
    "user@",
    "@decorator",
  ])("%s is left as it is", (text) => {
    expect(redactText(text)).toBe(text)
  })

  it("a field's name is read by its words", () => {
    for (const name of [
      "keyId",
      "monkey",
      "metadata",
      "keyboard",
      "skipped",
      "author",
      "sessions",
      "connectionId",
      "rapid",
    ])
      expect(isSensitiveField(name, "x"), name).toBe(false)
    expect(isSensitiveField("payloadBytes", "text")).toBe(true)
  })
})

describe("redaction takes time in proportion to the text", () => {
  it("whatever the text is made of", () => {
    const units = [
      "a",
      "a-",
      "a.",
      "a@",
      "eyJ",
      "//",
      "//a:",
      "token=",
      "1.",
      "1:",
      "f:",
      ":",
      "Bearer ",
      "rc_",
      "-----BEGIN PRIVATE KEY-----",
      "cookie",
      "x_",
      "é",
      "a.a@a.a",
      "%",
    ]
    const timeOf = (text: string): number => {
      const begun = performance.now()
      redactText(text)
      return performance.now() - begun
    }
    for (const unit of units) {
      const text = unit.repeat(200_000 / unit.length)
      // Quadratic time would be minutes here; this is a ceiling, not a speed.
      expect(timeOf(text), unit).toBeLessThan(5_000)
    }
  })
})

const asText = (value: Logged): string => value.out + value.files

describe("an object that cannot be read", () => {
  it("is logged as such, and stops nobody", async () => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error("no")
        },
        ownKeys: () => {
          throw new Error("no")
        },
      },
    )
    const getter = {
      get note(): string {
        throw new Error("no")
      },
    }
    const effect = Effect.logInfo("one", { hostile }).pipe(
      Effect.andThen(Effect.logInfo("two", getter)),
      Effect.andThen(Effect.logInfo("three", { nested: getter })),
      Effect.andThen(Effect.logInfo("four", Symbol("x"), 5n, () => 1, undefined, null, Number.NaN)),
    )
    const written = await logged({}, effect)
    expect(written.records.map((record) => String(record["message"]).split(" ")[0])).toEqual([
      "one",
      "two",
      "three",
      "four",
    ])
    expect(asText(written)).toContain("[unreadable]")
  })
})
