import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { decodeNumber, encodeCursor } from "#application/page-cursor.ts"
import type { Page, PageRequest } from "#application/ports/connection-directory.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { type Revocation, type RevocationInput, Revocations } from "#application/ports/revocations.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"
import { type Issued, isRevokedBy, keptUntil, MAX_REVOCATIONS, subjectOf } from "#domain/revocation.ts"
import { keysNamed, luaScript } from "./lua-script.ts"
import { askRedis } from "./redis-commands.ts"
import { RedisStore, type StoreState } from "./redis-store.ts"

const ADD = luaScript("revocations-add", "revocations")
const CHECK = luaScript("revocations-check", "revocations")
const LIST = luaScript("revocations-list", "revocations")
const REMOVE = luaScript("revocations-remove", "revocations")

const LIST_NAME = "revocations"

/** One hash tag for all of them. Their times are the nodes' own clocks': what they are kept for longer than needed is more. */
class StoredRevocations {
  private readonly state: StoreState
  private readonly maxTokenLifetimeMs: number

  constructor(state: StoreState, maxTokenLifetimeMs: number) {
    this.state = state
    this.maxTokenLifetimeMs = maxTokenLifetimeMs
  }

  /** Undefined: there are as many as are kept. */
  async add(input: RevocationInput, nowMs: number): Promise<Revocation | undefined> {
    const revocation: Revocation = { id: randomBytes(16).toString("base64url"), createdAt: nowMs, ...input }
    const score = "userId" in input ? input.issuedBefore : 0
    const until = keptUntil(input, nowMs, this.maxTokenLifetimeMs)
    const json = JSON.stringify(revocation)
    const args = [nowMs, until, revocation.id, subjectOf(input), score, json, MAX_REVOCATIONS]
    return Number(await this.run(ADD, args)) === 1 ? revocation : undefined
  }

  async list({ cursor, limit }: PageRequest, nowMs: number): Promise<Page<Revocation>> {
    const after = decodeNumber(LIST_NAME, cursor, Number.MAX_SAFE_INTEGER)
    const answer = await this.run(LIST, [nowMs, after, limit])
    const [next = "", ...items] = Array.isArray(answer) ? answer.map(String) : []
    return {
      items: items.map((json): Revocation => JSON.parse(json)),
      nextCursor: next === "" ? undefined : encodeCursor(LIST_NAME, next),
    }
  }

  async remove(id: string, nowMs: number): Promise<boolean> {
    return Number(await this.run(REMOVE, [nowMs, id])) === 1
  }

  async isRevoked(claims: Issued, nowMs: number): Promise<boolean> {
    const { tokenId, userId } = claims
    const token = tokenId === undefined ? "" : subjectOf({ tokenId })
    const answer = await this.run(CHECK, [nowMs, subjectOf({ userId, issuedBefore: 0 }), token])
    const [issuedBefore, isTokenRevoked] = Array.isArray(answer) ? answer : []
    if (Number(isTokenRevoked) === 1) return true
    return issuedBefore !== "" && isRevokedBy(claims, { userId, issuedBefore: Number(issuedBefore) })
  }

  private run(script: typeof ADD, args: readonly (string | number)[]): Promise<unknown> {
    return this.state.commands.script(script, keysNamed(`${this.state.options.prefix}:{revocations}`), args)
  }
}

export const redisRevocations: Layer.Layer<Revocations, never, Metrics | RedisStore | Settings> = Layer.effect(
  Revocations,
  Effect.gen(function* () {
    const { state } = yield* RedisStore
    const { maxTokenLifetimeMs } = yield* Settings
    const metrics = yield* Metrics
    const stored = new StoredRevocations(state, maxTokenLifetimeMs)
    const atNow = <A>(ask: (nowMs: number) => Promise<A>) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs) => askRedis(() => ask(nowMs)))
    return {
      add: Effect.fnUntraced(function* (input) {
        const added = yield* atNow((nowMs) => stored.add(input, nowMs))
        if (added !== undefined) return added
        metrics.limitHit("revocations")
        const text = `at most ${MAX_REVOCATIONS} revocations are kept at once`
        return yield* Effect.fail(new Refusal("overloaded", text, { retryAfterMs: 60_000 }))
      }),
      list: (page) => atNow((nowMs) => stored.list(page, nowMs)),
      remove: (id) => atNow((nowMs) => stored.remove(id, nowMs)),
      isRevoked: (claims) => atNow((nowMs) => stored.isRevoked(claims, nowMs)),
    }
  }),
)
