import process from "node:process"
import { startSocketioNode } from "./socketio-node.ts"

/** A node in a process of its own; its options as JSON, `nodes` as a list of pairs. */
const { nodes, ...options } = JSON.parse(process.argv[2] ?? "{}")
const { close, url } = await startSocketioNode({ ...options, nodes: new Map(nodes) })
process.on("SIGTERM", () => void close().then(() => process.exit(0)))
process.stdout.write(`listening ${url}\n`)
