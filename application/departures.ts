import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"

/**
 * Connections that dropped and whose presence is still shown: one whose session is recovered within the grace neither
 * left nor came back. By session id.
 */
export class Departures extends Context.Service<
  Departures,
  {
    /** Runs `leave` after the grace, unless the session is recovered first. */
    readonly plan: <R>(
      sessionId: string,
      graceMs: number,
      leave: Effect.Effect<void, never, R>,
    ) => Effect.Effect<void, never, R>
    /** True: it had not left yet, and will not now; `leave` never runs. False: it runs, or has run, or was not planned. */
    readonly cancel: (sessionId: string) => Effect.Effect<boolean>
  }
>()("roomcast/application/departures") {
  static readonly layer: Layer.Layer<Departures> = Layer.effect(
    Departures,
    Effect.gen(function* () {
      const planned = yield* FiberMap.make<string>()
      /** Whose grace is not over. */
      const waiting = new Set<string>()
      return {
        plan: (sessionId, graceMs, leave) =>
          Effect.suspend(() => {
            waiting.add(sessionId)
            const leaveOnce = Effect.suspend(() =>
              waiting.delete(sessionId) ? Effect.uninterruptible(leave) : Effect.void,
            )
            return Effect.asVoid(FiberMap.run(planned, sessionId, Effect.andThen(Effect.sleep(graceMs), leaveOnce)))
          }),
        cancel: (sessionId) =>
          Effect.suspend(() =>
            waiting.delete(sessionId) ? Effect.as(FiberMap.remove(planned, sessionId), true) : Effect.succeed(false),
          ),
      }
    }),
  )
}
