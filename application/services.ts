import type { LocalConnections } from "./local-connections.ts"
import type { LocalRooms } from "./local-rooms.ts"
import type { Backend } from "./ports/backend.ts"
import type { ConnectionDirectory } from "./ports/connection-directory.ts"
import type { Engine } from "./ports/engine.ts"
import type { EventHandlers } from "./ports/event-handlers.ts"
import type { Idempotency } from "./ports/idempotency.ts"
import type { Ids } from "./ports/ids.ts"
import type { MessageLog } from "./ports/message-log.ts"
import type { Metrics } from "./ports/metrics.ts"
import type { NodeCommands } from "./ports/node-commands.ts"
import type { NodeRegistry } from "./ports/node-registry.ts"
import type { RateLimiter } from "./ports/rate-limiter.ts"
import type { Revocations } from "./ports/revocations.ts"
import type { SessionStore } from "./ports/session-store.ts"
import type { Settings } from "./ports/settings.ts"
import type { SignatureVerifier } from "./ports/signature-verifier.ts"
import type { TokenVerifier } from "./ports/token-verifier.ts"

/** Everything that a use case may need: what the edges' runtime is built with. */
export type Services =
  | Backend
  | ConnectionDirectory
  | Engine
  | EventHandlers
  | Idempotency
  | Ids
  | LocalConnections
  | LocalRooms
  | MessageLog
  | Metrics
  | NodeCommands
  | NodeRegistry
  | RateLimiter
  | Revocations
  | SessionStore
  | Settings
  | SignatureVerifier
  | TokenVerifier
