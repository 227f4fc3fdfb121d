import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type { Services } from "#application/services.ts"
import type { Config } from "./config.ts"
import { openEdges } from "./edges.ts"
import { handlerActions, type RunPromise } from "./handler-actions.ts"
import { layers } from "./layers.ts"

export interface Running {
  /** Where it listens. */
  readonly url: string
  /** Drains and ends; the same promise however often. */
  readonly close: () => Promise<void>
}

/**
 * Starts one node: its services, then the edges on one `node:http` server. Rejects where something does not start; what
 * had started is ended then.
 */
export const serve = async (config: Config, { version }: { readonly version: string }): Promise<Running> => {
  let runPromise: RunPromise | undefined
  const core = ManagedRuntime.make(
    layers(
      config,
      version,
      handlerActions(() => {
        if (runPromise === undefined) throw new Error("a handler acted before the node was there")
        return runPromise
      }),
    ),
  )
  let edges: ManagedRuntime.ManagedRuntime<Services, never> | undefined
  const dispose = async (): Promise<void> => {
    await edges?.dispose()
    await core.dispose()
  }
  try {
    const services = await core.context()
    edges = ManagedRuntime.make(Layer.succeedContext(services))
    runPromise = edges.runPromise
    const { close, url } = await openEdges(config, services, edges)
    let closing: Promise<void> | undefined
    const end = async (): Promise<void> => {
      try {
        await close()
      } finally {
        await dispose()
      }
    }
    return {
      url,
      close: () => {
        closing ??= end()
        return closing
      },
    }
  } catch (error) {
    await dispose()
    throw error
  }
}
