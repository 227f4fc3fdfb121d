import { createHash, randomUUID } from "node:crypto"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Idempotency } from "#application/ports/idempotency.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { LOG } from "./log.ts"
import { luaScript } from "./lua-script.ts"
import { askRedis } from "./redis-commands.ts"
import { RedisStore, type StoreState } from "./redis-store.ts"

const BEGIN = luaScript("once-begin")
const END = luaScript("once-end")

/** Keys whose work is under way here, or waited for. */
export const MAX_UNDER_WAY = 10_000
/** A node that works says so anew within it; one that died is waited for no longer. */
const HOLD_MS = 15_000
const LOOK_MS = 100
const END_TRIES = 5

type Begun = { readonly outcome: "mine" | "reused" | "wait" } | { readonly outcome: "done"; readonly answer: unknown }

interface UnderWay {
  readonly digest: string
  readonly answer: Effect.Effect<unknown, unknown>
}

const hashOf = (digest: string): string => createHash("sha256").update(digest).digest("base64url")

/** The record of each key: who works for it, then the answer. */
class OnceRecords {
  /** Of this process, in this run. */
  private readonly self = randomUUID()
  private readonly state: StoreState

  constructor(state: StoreState) {
    this.state = state
  }

  async begin(key: string, digest: string): Promise<Begun> {
    const found = await this.state.commands.script(BEGIN, [this.name(key)], [hashOf(digest), this.self, HOLD_MS])
    const [outcome, json] = Array.isArray(found) ? found : []
    if (outcome === "done") return { outcome, answer: JSON.parse(String(json)).answer }
    return { outcome: outcome === "reused" || outcome === "wait" ? outcome : "mine" }
  }

  /** False: another node does the work by now, and its answer is the key's. */
  async done(key: string, digest: string, answer: unknown): Promise<boolean> {
    const args = [this.self, this.state.options.idempotencyMs, JSON.stringify({ answer }), hashOf(digest)]
    return Number(await this.state.commands.script(END, [this.name(key)], args)) === 1
  }

  async failed(key: string): Promise<boolean> {
    return Number(await this.state.commands.script(END, [this.name(key)], [this.self, 0, "", ""])) === 1
  }

  private name(key: string): string {
    return `${this.state.options.prefix}:answer:{${key}}`
  }
}

const REUSED = "this idempotency key came with another body in the last 10 minutes"

/**
 * The node that has a key's record does the work, in a fiber of this layer; others that meet the key look for the answer
 * until it is there, and do the work where that node died.
 */
export const redisIdempotency: Layer.Layer<Idempotency, never, Metrics | RedisStore> = Layer.effect(
  Idempotency,
  Effect.gen(function* () {
    const { state } = yield* RedisStore
    const metrics = yield* Metrics
    const scope = yield* Effect.scope
    const records = new OnceRecords(state)
    const underWay = new Map<string, UnderWay>()
    metrics.observe("idempotency_records", () => underWay.size)

    /** What the answer says stands in the record before anybody gets it; where that cannot be, its caller has it at least. */
    const end = (key: string, write: Effect.Effect<boolean, Refused<"engine_unavailable">>) =>
      Effect.catch(Effect.retry(write, { times: END_TRIES, schedule: Schedule.exponential("50 millis") }), (refusal) =>
        Effect.as(
          Effect.logWarning("an idempotency key's answer could not be kept: a repeat of it would do it again", {
            key: createHash("sha256").update(key).digest("hex").slice(0, 12),
            code: refusal._tag,
          }).pipe(Effect.annotateLogs(LOG)),
          true,
        ),
      )

    const hold = (key: string, digest: string) =>
      Effect.sleep(HOLD_MS / 3).pipe(
        Effect.andThen(Effect.ignore(askRedis(() => records.begin(key, digest)))),
        Effect.forever,
      )

    /** Undefined: this node stood still for so long that another one does it, and has the answer. */
    const doIt = Effect.fnUntraced(function* <A, E, R>(key: string, digest: string, work: Effect.Effect<A, E, R>) {
      let isOurs = true
      const answer = yield* Effect.onExit(Effect.raceFirst(work, hold(key, digest)), (exit) =>
        Effect.map(
          end(
            key,
            askRedis(() => (exit._tag === "Success" ? records.done(key, digest, exit.value) : records.failed(key))),
          ),
          (kept) => {
            isOurs = kept
          },
        ),
      )
      return isOurs ? { answer } : undefined
    })

    const run = Effect.fnUntraced(function* <A, E, R>(
      key: string,
      digest: string,
      work: Effect.Effect<A, E, R>,
    ): Effect.fn.Return<A, E | Refused<"engine_unavailable" | "idempotency_key_reused">, R> {
      for (;;) {
        const begun = yield* askRedis(() => records.begin(key, digest))
        const done = begun.outcome === "mine" ? yield* doIt(key, digest, work) : undefined
        if (done !== undefined) return done.answer
        if (begun.outcome === "reused") return yield* Effect.fail(new Refusal("idempotency_key_reused", REUSED))
        // The same key and digest stand for the same work, so its answer is of the same type.
        if (begun.outcome === "done") return begun.answer as A
        yield* Effect.sleep(LOOK_MS)
      }
    })

    const once = <A, E, R>(key: string, digest: string, work: Effect.Effect<A, E, R>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(
          (): Effect.Effect<A, E | Refused<"engine_unavailable" | "idempotency_key_reused" | "overloaded">, R> => {
            const known = underWay.get(key)
            if (known !== undefined && known.digest !== digest)
              return Effect.fail(new Refusal("idempotency_key_reused", REUSED))
            if (known !== undefined) return restore(known.answer as Effect.Effect<A, E>)
            if (underWay.size >= MAX_UNDER_WAY) {
              metrics.limitHit("idempotency_records")
              const text = `at most ${MAX_UNDER_WAY} pushes with acknowledgements are under way at once`
              return Effect.fail(new Refusal("overloaded", text, { retryAfterMs: 1_000 }))
            }
            const done = Deferred.makeUnsafe<A, E | Refused<"engine_unavailable" | "idempotency_key_reused">>()
            underWay.set(key, { digest, answer: Deferred.await(done) })
            return Effect.flatMap(Effect.forkIn(run(key, digest, work), scope), (fiber) => {
              fiber.addObserver((exit) => {
                underWay.delete(key)
                Deferred.doneUnsafe(done, exit)
              })
              return restore(Deferred.await(done))
            })
          },
        ),
      )

    return { once }
  }),
)
