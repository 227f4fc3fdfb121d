import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { Message } from "#domain/message.ts"
import type { RoomName } from "#domain/room.ts"

/** One connection's answer to a message that asked for one; `data` is JSON. */
export interface AckAnswer {
  readonly connectionId: string
  readonly userId: string
  readonly data: unknown
}

/** What the HTTP API asks of the node that holds a connection. */
export type NodeCommand =
  | { readonly kind: "join"; readonly connectionId: string; readonly room: RoomName }
  | { readonly kind: "leave"; readonly connectionId: string; readonly room: RoomName }
  | { readonly kind: "disconnect"; readonly connectionId: string; readonly reason: "disconnected" | "revoked" }
  | {
      readonly kind: "ask"
      readonly message: Message
      readonly connectionIds: readonly string[]
      readonly timeoutMs: number
    }

export type NodeAnswer =
  /** `false`: the connection is not there any more. */
  | { readonly kind: "done"; readonly found: boolean }
  | { readonly kind: "answers"; readonly responses: readonly AckAnswer[] }

export type CommandRefusal = Refused<"engine_unavailable" | "too_many_rooms" | "unknown_room">

/** Runs commands on other nodes and answers when they are done there. */
export class NodeCommands extends Context.Service<
  NodeCommands,
  {
    readonly send: (node: string, command: NodeCommand) => Effect.Effect<NodeAnswer, CommandRefusal>
    /** Called once at start: what runs a command here. */
    readonly serve: (run: (command: NodeCommand) => Effect.Effect<NodeAnswer, CommandRefusal>) => void
  }
>()("roomcast/application/ports/node-commands") {}
