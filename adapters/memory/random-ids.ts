import { randomBytes, randomUUID } from "node:crypto"
import * as Layer from "effect/Layer"
import { Ids } from "#application/ports/ids.ts"

const random = (bytes: number): string => randomBytes(bytes).toString("base64url")

export const randomIds: Layer.Layer<Ids> = Layer.succeed(Ids, {
  message: () => randomUUID(),
  session: () => random(20),
  anonymous: () => random(12),
})
