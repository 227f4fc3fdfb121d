import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { freePort } from "./free-port.ts"
import { COMMANDS, RUNTIME } from "./gateway.ts"
import type { SocketioNodeOptions } from "./socketio-node.ts"
import { until } from "./until.ts"

export interface PassingNode {
  readonly node: string
  readonly url: string
  readonly process: ChildProcess
}

export const SECRET = "0d6c3f1e9b8a47d2b5f1c0e7a9d84f36"

const SCRIPT = join(import.meta.dirname, "run-socketio-node.ts")

/** A node in a process of its own. */
export const spawnNode = async (
  runtime: keyof typeof COMMANDS,
  { nodes, ...options }: SocketioNodeOptions & { readonly port: number },
): Promise<PassingNode> => {
  const [command, args] = COMMANDS[runtime]
  const given = JSON.stringify({ ...options, nodes: [...nodes] })
  const child = spawn(command, [...args, SCRIPT, given], { stdio: ["ignore", "pipe", "inherit"] })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk))
  await until(`${options.node} to listen`, () => output.includes("listening"), 30_000)
  return { node: options.node, url: `http://127.0.0.1:${options.port}`, process: child }
}

/** Nodes that know each other, each in a process of its own, on the runtime that is tested. */
export const passingNodes = async (
  ids: readonly string[],
  more: Pick<SocketioNodeOptions, "change" | "passOn"> = {},
): Promise<readonly PassingNode[]> => {
  const placed = await Promise.all(ids.map(async (node) => ({ node, port: await freePort() })))
  const nodes = new Map(placed.map(({ node, port }) => [node, `http://127.0.0.1:${port}`]))
  return Promise.all(placed.map((place) => spawnNode(RUNTIME, { ...more, ...place, nodes, secret: SECRET })))
}
