import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { askConnections } from "#application/ask-connections.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { Metrics } from "#application/ports/metrics.ts"
import type { Services } from "#application/services.ts"
import { type ChangeLocalMembership, changeLocalMembership } from "#application/use-cases/change-local-membership.ts"
import { ChangeQueue } from "./change-queue.ts"
import type { Emission } from "./emission.ts"
import type { PeerActions } from "./peer-socket.ts"

/** A stock server's own time-out does not come with what it asks. */
const ASK_MS = 10_000
const MAX_ASKED = 10_000

/** What other programs want done with our connections, by our own use cases. */
export class PeerCommands implements PeerActions {
  private readonly changes: ChangeQueue<ChangeLocalMembership>
  private readonly metrics: Metrics["Service"]
  private asked = 0
  private readonly services: Context.Context<Services>
  private readonly refused: (reason: unknown) => void

  constructor(services: Context.Context<Services>, refused: (reason: unknown) => void) {
    this.services = services
    this.refused = refused
    this.metrics = Context.get(services, Metrics)
    this.changes = new ChangeQueue(
      (change, ended) => void Effect.runCallbackWith(services)(this.carryOut(change), { onExit: ended }),
      () => this.metrics.limitHit("peer_changes"),
    )
    this.metrics.observe("peer_changes_waiting", () => this.changes.size)
  }

  change(change: "join" | "leave", connection: LocalConnection, room: unknown): void {
    this.changes.add({ change, connection, room })
  }

  ask(connection: LocalConnection, emission: Emission, answer: (data: unknown) => void): void {
    if (this.asked >= MAX_ASKED) {
      this.metrics.limitHit("peer_asks")
      return
    }
    this.asked++
    const { message } = emission
    Effect.runCallbackWith(this.services)(
      askConnections({ message, connectionIds: [connection.id], timeoutMs: ASK_MS }),
      {
        onExit: (exit) => {
          this.asked--
          if (Exit.isFailure(exit)) return
          for (const { data } of exit.value.responses) answer(data)
        },
      },
    )
  }

  close(): void {
    this.changes.clear()
  }

  /** A connection that went away meanwhile is none that failed. */
  private carryOut(change: ChangeLocalMembership) {
    return Effect.matchCause(changeLocalMembership(change), {
      onSuccess: () => this.metrics.peerMessage("change", "ok"),
      onFailure: (cause) => {
        if (change.connection.closed) return
        const refusal = cause.reasons.find(Cause.isFailReason)?.error
        this.metrics.peerMessage("change", refusal === undefined ? "failed" : "refused")
        this.refused(refusal?.message ?? Cause.squash(cause))
      },
    })
  }
}
