import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type NodeEntry, NodeRegistry } from "#application/ports/node-registry.ts"

/** One node, and nobody to pass anything on to. */
export const memoryNodeRegistry: Layer.Layer<NodeRegistry> = Layer.sync(NodeRegistry, () => {
  let describe: (() => NodeEntry) | undefined
  return {
    list: () => Effect.sync(() => (describe === undefined ? [] : [describe()])),
    addressOf: () => undefined,
    secret: () => undefined,
    announce: (self) =>
      Effect.sync(() => {
        describe = self
      }),
  }
})
