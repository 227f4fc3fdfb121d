import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { COMMANDS, freePort, RUNTIME } from "./gateway.ts"
import type { SocketioNodeOptions } from "./socketio-node.ts"
import { until } from "./until.ts"

export interface PassingNode {
  readonly node: string
  readonly url: string
  readonly process: ChildProcess
}

export const SECRET = "0d6c3f1e9b8a47d2b5f1c0e7a9d84f36"

const SCRIPT = join(import.meta.dirname, "run-socketio-node.ts")

/** Nodes that know each other, each in a process of its own, on the runtime that is tested. */
export const passingNodes = async (
  ids: readonly string[],
  more: Pick<SocketioNodeOptions, "change" | "passOn"> = {},
): Promise<readonly PassingNode[]> => {
  const ports = await Promise.all(ids.map(() => freePort()))
  const nodes = ids.map((id, i) => [id, `http://127.0.0.1:${ports[i]}`] as const)
  const [command, args] = COMMANDS[RUNTIME]
  return Promise.all(
    nodes.map(async ([node, url], i) => {
      const options = JSON.stringify({ ...more, node, port: ports[i], nodes, secret: SECRET })
      const child = spawn(command, [...args, SCRIPT, options], { stdio: ["ignore", "pipe", "inherit"] })
      let output = ""
      child.stdout.on("data", (chunk: Buffer) => (output += chunk))
      await until(`${node} to listen`, () => output.includes("listening"), 30_000)
      return { node, url, process: child }
    }),
  )
}
