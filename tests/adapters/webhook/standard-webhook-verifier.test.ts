import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Webhook } from "standardwebhooks"
import { describe, expect } from "vitest"
import { SeenIds } from "#adapters/webhook/seen-ids.ts"
import { standardWebhookVerifier } from "#adapters/webhook/standard-webhook-verifier.ts"
import { SignatureVerifier } from "#application/ports/signature-verifier.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { SECRET } from "./local-backend.ts"

const OTHER = "whsec_YW5vdGhlci1zZWNyZXQtb2YtMzItYnl0ZXMtbG9uZyE="
const STRANGE = "whsec_bm90LXRoZS1nYXRld2F5cy1zZWNyZXQtYXQtYWxsISE="
const KEYS = [
  { id: "shop", secret: SECRET, scopes: ["publish"] },
  { id: "ops", secret: OTHER, scopes: ["read", "manage"] },
] as const

const signed = (secret: string, id: string, body: string, at = Date.now()) => ({
  id,
  timestamp: String(Math.floor(at / 1000)),
  signature: new Webhook(secret).sign(id, new Date(at), body),
})

const verify = Effect.fnUntraced(function* (signature: ReturnType<typeof signed>, body: string) {
  const verifier = yield* SignatureVerifier
  return yield* verifier
    .verify(signature, Effect.succeed(body))
    .pipe(Effect.match({ onFailure: ({ _tag, message }) => ({ _tag, message }), onSuccess: (found) => found }))
})

const opened = (maxIds?: number, metrics = recordingMetrics()) =>
  standardWebhookVerifier({ keys: KEYS, maxIds }).pipe(Layer.provide(metrics.layer))

describe("a signed API request", () => {
  it.effect("passes with the id and scopes of the key that signed it", () =>
    Effect.gen(function* () {
      expect(yield* verify(signed(SECRET, "m1", '{"ü":1}'), '{"ü":1}')).toEqual({ id: "shop", scopes: ["publish"] })
      expect(yield* verify(signed(OTHER, "m2", ""), "")).toEqual({ id: "ops", scopes: ["read", "manage"] })
      const rotated = signed(SECRET, "m3", "{}")
      const signature = `v1a,xyz ${new Webhook(STRANGE).sign("m3", new Date(), "{}")} ${rotated.signature}`
      expect(yield* verify({ ...rotated, signature }, "{}")).toEqual({ id: "shop", scopes: ["publish"] })
    }).pipe(Effect.provide(opened())),
  )

  it.effect("is refused where anything about it is wrong", () =>
    Effect.gen(function* () {
      const good = signed(SECRET, "m1", "{}")
      const no = { _tag: "unauthorized", message: "no matching signature" }
      expect(yield* verify(signed(STRANGE, "m1", "{}"), "{}")).toEqual(no)
      expect(yield* verify(good, "{ }")).toEqual(no)
      expect(yield* verify({ ...good, id: "m2" }, "{}")).toEqual(no)
      expect(yield* verify({ ...good, timestamp: String(Number(good.timestamp) - 1) }, "{}")).toEqual(no)
      for (const signature of [
        "",
        " ",
        "v1",
        "v1,",
        "v1,,",
        good.signature.replace("v1,", "v2,"),
        good.signature.slice(3),
      ])
        expect(yield* verify({ ...good, signature }, "{}"), signature).toEqual(no)
      for (const timestamp of ["", "soon", "1e9", `${good.timestamp}x`, `-${good.timestamp}`, "9".repeat(13)])
        expect(yield* verify({ ...good, timestamp }, "{}"), timestamp).toMatchObject({ _tag: "unauthorized" })
      for (const id of ["", "x".repeat(257)])
        expect(yield* verify(signed(SECRET, id, "{}"), "{}")).toMatchObject({ _tag: "unauthorized" })
      expect(yield* verify(good, "{}")).toEqual({ id: "shop", scopes: ["publish"] })
    }).pipe(Effect.provide(opened())),
  )

  it.effect("is refused before its body is read where no key could have signed it, for anybody may send one", () =>
    Effect.gen(function* () {
      const verifier = yield* SignatureVerifier
      const body = Effect.die("the body was read")
      expect(yield* Effect.flip(verifier.verify(signed(SECRET, "m1", "{}"), body))).toMatchObject({
        _tag: "unauthorized",
      })
    }).pipe(Effect.provide(standardWebhookVerifier({ keys: [] }).pipe(Layer.provide(recordingMetrics().layer)))),
  )

  it.effect("is refused when its timestamp is more than 5 minutes from now", () =>
    Effect.gen(function* () {
      const now = Date.now()
      for (const at of [now - 302_000, now + 302_000])
        expect(yield* verify(signed(SECRET, `m${at}`, "{}", at), "{}")).toEqual({
          _tag: "unauthorized",
          message: "webhook-timestamp is not within 5 minutes of the gateway's clock",
        })
      for (const at of [now - 290_000, now + 290_000])
        expect(yield* verify(signed(SECRET, `m${at}`, "{}", at), "{}")).toMatchObject({ id: "shop" })
    }).pipe(Effect.provide(opened())),
  )

  it.effect("passes once: the same id is refused, another key's same id is not", () =>
    Effect.gen(function* () {
      const one = signed(SECRET, "m1", "{}")
      expect(yield* verify(one, "{}")).toMatchObject({ id: "shop" })
      const again = { _tag: "unauthorized", message: "this webhook-id was used already" }
      expect(yield* verify(one, "{}")).toEqual(again)
      expect(yield* verify(signed(SECRET, "m1", "[1]"), "[1]")).toEqual(again)
      expect(yield* verify(signed(OTHER, "m1", "{}"), "{}")).toMatchObject({ id: "ops" })
      yield* TestClock.adjust("10 minutes")
      expect(yield* verify(one, "{}")).toEqual(again)
    }).pipe(Effect.provide(opened())),
  )

  it.effect("with a wrong signature uses up no id", () =>
    Effect.gen(function* () {
      const good = signed(SECRET, "m1", "{}")
      expect(yield* verify({ ...good, signature: signed(STRANGE, "m1", "{}").signature }, "{}")).toMatchObject({
        _tag: "unauthorized",
      })
      expect(yield* verify(good, "{}")).toMatchObject({ id: "shop" })
    }).pipe(Effect.provide(opened(1))),
  )

  it.effect(
    "is refused as overloaded while no more ids can be remembered, and passes when old ones are forgotten",
    () => {
      const metrics = recordingMetrics()
      return Effect.gen(function* () {
        expect(yield* verify(signed(SECRET, "m1", "{}"), "{}")).toMatchObject({ id: "shop" })
        yield* TestClock.adjust("5 minutes")
        expect(yield* verify(signed(SECRET, "m2", "{}"), "{}")).toMatchObject({ id: "shop" })
        const third = signed(SECRET, "m3", "{}")
        expect(yield* verify(third, "{}")).toMatchObject({ _tag: "overloaded" })
        expect(metrics.hits).toEqual(["signature_ids"])
        expect(yield* verify(signed(SECRET, "m1", "{}"), "{}")).toMatchObject({ _tag: "unauthorized" })
        yield* TestClock.adjust("302 seconds")
        expect(yield* verify(third, "{}")).toMatchObject({ id: "shop" })
        expect(yield* verify(signed(SECRET, "m2", "{}"), "{}")).toMatchObject({ _tag: "unauthorized" })
      }).pipe(Effect.provide(opened(2, metrics)))
    },
  )

  it.effect("cannot be checked with a key that is no secret: the start stops, and does not show it", () =>
    Effect.gen(function* () {
      const keys = [{ id: "a", secret: "whsec_hidden*word", scopes: [] }]
      const error = yield* Effect.flip(
        Effect.asVoid(SignatureVerifier).pipe(
          Effect.provide(standardWebhookVerifier({ keys }).pipe(Layer.provide(recordingMetrics().layer))),
        ),
      )
      expect(error.faults).toEqual([{ pointer: "/keys/0/secret", detail: "whsec_ followed by base64 is needed" }])
    }),
  )
})

describe("the memory of ids", () => {
  it("holds no more than its limit, and forgets in the order of time", () => {
    const seen = new SeenIds(100, 3)
    expect([seen.add("a", 0), seen.add("b", 50), seen.add("c", 60), seen.add("d", 99)]).toEqual([
      "new",
      "new",
      "new",
      "full",
    ])
    expect([seen.add("a", 99), seen.add("d", 100), seen.add("b", 149), seen.add("a", 149), seen.add("a", 150)]).toEqual(
      ["seen", "new", "seen", "full", "new"],
    )
  })
})
