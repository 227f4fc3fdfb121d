import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Refusal, type Refused } from "#domain/errors.ts"

/** Requests and answers under way, each of which goes on when the test says so, in any order. */
export class Turns {
  /** Counts what happened, so that a test can see that nothing does any more. */
  changes = 0
  private readonly waiting = new Set<() => void>()
  private over = false
  /** So many calls from now on get no answer: not carried out, or carried out all the same. */
  readonly failing = { before: 0, after: 0 }

  get size(): number {
    return this.waiting.size
  }

  /** Lets one of those that wait go on: any number picks one. */
  release(pick: number): void {
    const go = [...this.waiting][pick % Math.max(1, this.waiting.size)]
    go?.()
  }

  /** Nothing waits any more, now and later: the test is over. */
  end(): void {
    this.over = true
    this.failing.before = 0
    this.failing.after = 0
    for (const go of [...this.waiting]) go()
  }

  /** Waits for its turn. */
  readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const go = (): void => {
      this.changes++
      this.waiting.delete(go)
      resume(Effect.void)
    }
    this.changes++
    if (this.over) return resume(Effect.void)
    this.waiting.add(go)
    return Effect.sync(() => void this.waiting.delete(go))
  })

  /** Done some time after it was asked for, and answered some time after it was done. */
  slow<A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | Refused<"engine_unavailable">, R> {
    return this.wait.pipe(
      Effect.andThen(this.unless("before")),
      Effect.andThen(work),
      Effect.tap(() => this.wait),
      Effect.tap(() => this.unless("after")),
    )
  }

  private unless(when: "before" | "after"): Effect.Effect<void, Refused<"engine_unavailable">> {
    return Effect.suspend(() => {
      if (this.failing[when] === 0) return Effect.void
      this.failing[when]--
      return Effect.fail(new Refusal("engine_unavailable", "no answer"))
    })
  }
}

type Ports = Engine | MessageLog | SessionStore | ConnectionDirectory

/** The same ports, as far away as another machine: every call takes time, before it is carried out and after. */
export const slowPorts = (turns: Turns): Layer.Layer<Ports, never, Ports> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const engine = yield* Engine
      const log = yield* MessageLog
      const sessions = yield* SessionStore
      const directory = yield* ConnectionDirectory
      const slow =
        <A extends readonly unknown[], B, E>(call: (...args: A) => Effect.Effect<B, E>) =>
        (...args: A): Effect.Effect<B, E | Refused<"engine_unavailable">> =>
          turns.slow(call(...args))
      return yield* Layer.build(
        Layer.mergeAll(
          Layer.succeed(Engine, {
            ...engine,
            publish: slow(engine.publish),
            subscribe: slow(engine.subscribe),
            clock: slow(engine.clock),
          }),
          Layer.succeed(MessageLog, {
            read: slow(log.read),
            survey: slow(log.survey),
            last: slow(log.last),
            clear: slow(log.clear),
            describe: slow(log.describe),
          }),
          Layer.succeed(SessionStore, {
            open: slow(sessions.open),
            read: slow(sessions.read),
            take: slow(sessions.take),
            join: slow(sessions.join),
            leave: slow(sessions.leave),
            renew: slow(sessions.renew),
            drop: slow(sessions.drop),
            end: slow(sessions.end),
            expel: slow(sessions.expel),
            expelledAt: slow(sessions.expelledAt),
          }),
          Layer.succeed(ConnectionDirectory, {
            ...directory,
            register: slow(directory.register),
            depart: slow(directory.depart),
            remove: slow(directory.remove),
            takeDeparted: slow(directory.takeDeparted),
            join: slow(directory.join),
            leave: slow(directory.leave),
            countOf: slow(directory.countOf),
          }),
        ),
      )
    }),
  )
