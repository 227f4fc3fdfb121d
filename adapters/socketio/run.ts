import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Services } from "#application/services.ts"

/** Runs a use case; `onExit` may be called before this returns. Answers how to interrupt it. */
export type Run = <A, E>(
  effect: Effect.Effect<A, E, Services>,
  options: { readonly onExit: (exit: Exit.Exit<A, E>) => void },
) => () => void
