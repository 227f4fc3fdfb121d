import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Message } from "#domain/message.ts"
import type { RoomName } from "#domain/room.ts"
import type { RevocationInput } from "./revocations.ts"

/** One connection's answer to a message that asked for one; `data` is JSON. */
export interface AckAnswer {
  readonly connectionId: string
  readonly userId: string
  readonly data: unknown
}

/**
 * What the HTTP API asks of the node that holds a connection. `revoke` goes to every node, which closes those of its
 * connections whose claims the revocation covers: only the node knows their tokens.
 */
export type NodeCommand =
  | { readonly kind: "join"; readonly connectionId: string; readonly room: RoomName }
  | { readonly kind: "leave"; readonly connectionId: string; readonly room: RoomName }
  | { readonly kind: "disconnect"; readonly connectionId: string; readonly reason: "disconnected" | "revoked" }
  | { readonly kind: "revoke"; readonly revocation: RevocationInput }
  | {
      readonly kind: "ask"
      readonly message: Message
      readonly connectionIds: readonly string[]
      readonly timeoutMs: number
    }

export type NodeAnswer =
  /** `false`: the connection is not there any more. */
  | { readonly kind: "done"; readonly found: boolean }
  /** `revoke`: so many connections were closed. */
  | { readonly kind: "closed"; readonly count: number }
  | {
      readonly kind: "answers"
      readonly responses: readonly AckAnswer[]
      /** Connections that the message is not for: excepted, or in none of its rooms any more. */
      readonly excepted: readonly string[]
    }

export type CommandRefusal = Refused<"engine_unavailable" | "too_many_rooms" | "unknown_room">

/** Runs commands on other nodes, the asking one included, and answers when they are done there, or in bounded time fails. */
export class NodeCommands extends Context.Service<
  NodeCommands,
  {
    /** The names of the living nodes, this one's included. */
    readonly nodes: () => Effect.Effect<readonly string[], Refused<"engine_unavailable">>
    readonly send: (node: string, command: NodeCommand) => Effect.Effect<NodeAnswer, CommandRefusal>
    /** Called once at start: what runs a command here. */
    readonly serve: (run: (command: NodeCommand) => Effect.Effect<NodeAnswer, CommandRefusal>) => void
  }
>()("roomcast/application/ports/node-commands") {}
