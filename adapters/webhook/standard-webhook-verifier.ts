import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Webhook } from "standardwebhooks"
import { Metrics } from "#application/ports/metrics.ts"
import { SignatureVerifier } from "#application/ports/signature-verifier.ts"
import type { Scope } from "#application/ports/token-verifier.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { EndpointsNotValid, secretFault } from "./endpoints.ts"
import { SeenIds } from "./seen-ids.ts"

/** A key that signs requests to the HTTP API. */
export interface SigningKey {
  readonly id: string
  /** `whsec_` and base64, as Standard Webhooks has it. */
  readonly secret: string
  readonly scopes: readonly Scope[]
}

/**
 * A signature is valid from 5 minutes before to 5 minutes after its timestamp, both in whole s, which is what
 * `standardwebhooks` allows: an id older than this cannot come again.
 */
const REMEMBER_MS = 601_000
const MAX_IDS = 100_000
const MAX_ID_LENGTH = 256
const RETRY_AFTER_MS = 10_000

const refused = (message: string): Refused<"unauthorized"> => new Refusal("unauthorized", message)

/**
 * Standard Webhooks signatures, checked against every key. An id passes once for each key, on this node: what was seen
 * is remembered here, at most `maxIds` ids (100,000), and while there is no room for one more, nothing passes.
 */
export const standardWebhookVerifier = (options: {
  readonly keys: readonly SigningKey[]
  readonly maxIds?: number | undefined
}): Layer.Layer<SignatureVerifier, EndpointsNotValid, Metrics> =>
  Layer.effect(
    SignatureVerifier,
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const faults = options.keys.flatMap(({ secret }, i) => {
        const detail = secretFault(secret)
        return detail === undefined ? [] : [{ pointer: `/keys/${i}/secret`, detail }]
      })
      if (faults.length > 0) return yield* new EndpointsNotValid({ faults })
      const keys = options.keys.map((key) => ({ ...key, webhook: new Webhook(key.secret) }))
      const seen = new SeenIds(REMEMBER_MS, options.maxIds ?? MAX_IDS)

      return SignatureVerifier.of({
        verify: Effect.fnUntraced(function* ({ id, timestamp, signature }, asked) {
          if (keys.length === 0) return yield* Effect.fail(refused("no key that signs requests is configured"))
          if (id === "" || id.length > MAX_ID_LENGTH || !/^\d{1,12}$/.test(timestamp))
            return yield* Effect.fail(refused("webhook-id or webhook-timestamp is not valid"))
          const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature }
          const body = yield* asked
          let fault = "no matching signature"
          const key = keys.find(({ webhook }) => {
            try {
              webhook.verify(body, headers, { jsonParse: false })
              return true
            } catch (error) {
              if (error instanceof Error && error.message.startsWith("Message timestamp"))
                fault = "webhook-timestamp is not within 5 minutes of the gateway's clock"
              return false
            }
          })
          if (key === undefined) return yield* Effect.fail(refused(fault))
          const first = seen.add(`${key.id}\n${id}`, yield* Clock.currentTimeMillis)
          if (first === "seen") return yield* Effect.fail(refused("this webhook-id was used already"))
          if (first === "full") {
            metrics.limitHit("signature_ids")
            return yield* Effect.fail(
              new Refusal(
                "overloaded",
                "too many signed requests within 10 minutes to tell new ones from repeated ones",
                {
                  retryAfterMs: RETRY_AFTER_MS,
                },
              ),
            )
          }
          return { id: key.id, scopes: key.scopes }
        }),
      })
    }),
  )
