import { Gauge as Exported, type Registry } from "prom-client"
import type { Gauge } from "#application/ports/metrics.ts"

const HELP = {
  connections: "Connections on this node.",
  connections_departing: "Connections that dropped and are members of their rooms for the presence grace.",
  connections_unwritten: "Connections that ended and could not be written off yet, for the engine was away.",
  rooms: "Rooms with a member on this node.",
  log_messages: "Messages that the memory engine keeps.",
  log_bytes: "About what the memory engine's messages weigh.",
  log_rooms: "Rooms with a log in the memory engine.",
  sessions: "Sessions that the memory engine keeps, dropped ones included.",
  idempotency_records: "Answers kept for repeated idempotency keys.",
  revocations: "Revocations in force.",
  rate_limit_keys: "Keys whose rate is being limited.",
  address_limit_keys: "Addresses whose rate of connecting is being limited.",
  webhook_queue: "Notices that wait to be sent to the backend.",
  webhook_in_flight: "Requests to the backend under way.",
  redis_channels: "Rooms that this node is subscribed to.",
  redis_commands_in_flight: "Commands that wait for an answer of Redis.",
  node_commands: "Commands to and from other nodes that are under way.",
  peer_changes_waiting: "Joins and leaves that Socket.IO programs asked for and that are not done yet.",
  outgoing_buffer_bytes: "What waits to be written to clients.",
} as const satisfies Record<Gauge, string>

/** Gauges that are read at each scrape, all that observe one added up; one that nobody observes is not exported. */
export const observedGauges = (registry: Registry): ((gauge: Gauge, read: () => number) => void) => {
  const readers = new Map<Gauge, (() => number)[]>()
  return (gauge, read) => {
    const known = readers.get(gauge)
    if (known !== undefined) {
      known.push(read)
      return
    }
    const all = [read]
    readers.set(gauge, all)
    new Exported({
      name: `roomcast_${gauge}`,
      help: HELP[gauge],
      registers: [registry],
      collect() {
        this.set(all.reduce((sum, each) => sum + each(), 0))
      },
    })
  }
}
