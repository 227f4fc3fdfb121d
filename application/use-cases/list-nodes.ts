import * as Effect from "effect/Effect"
import { type NodeEntry, NodeRegistry } from "#application/ports/node-registry.ts"
import type { Refused } from "#domain/errors.ts"

/** The living nodes of the cluster, by name. */
export const listNodes = Effect.fn("listNodes")(function* (): Effect.fn.Return<
  readonly NodeEntry[],
  Refused<"engine_unavailable">,
  NodeRegistry
> {
  const registry = yield* NodeRegistry
  return yield* registry.list()
})
