import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { freePort } from "./free-port.ts"
import { until } from "./until.ts"

export type Balancer = "nginx" | "haproxy"

export interface RunningBalancer {
  readonly url: string
  /** What it wrote: HAProxy its log, nginx the one in its directory. */
  readonly log: () => string
  readonly stop: () => Promise<void>
}

const DEPLOY = new URL("../../deploy", import.meta.url).pathname

/** A configuration with something else in the place of each text, all of which it must have. */
const substitute = (text: string, changes: Readonly<Record<string, string>>): string =>
  Object.entries(changes).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the configuration has no "${from}"`)
    return changed.replaceAll(from, to)
  }, text)

const addresses = (nodes: readonly string[]): Record<string, string> =>
  Object.fromEntries(nodes.map((url, i) => [`10.0.0.${i + 1}:8137`, new URL(url).host]))

const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]

/** The files of `deploy`, run here: other ports, other addresses, other places for its files, and the user who is here. */
const PREPARE: Record<Balancer, (directory: string, port: number, nodes: readonly string[]) => readonly string[]> = {
  nginx: (directory, port, nodes) => {
    const temporary = TEMPORARY.map((name) => `${name}_temp_path ${directory}/${name};`).join(" ")
    const text = substitute(readFileSync(join(DEPLOY, "nginx.conf"), "utf8"), {
      ...addresses(nodes),
      "listen 80;": `listen 127.0.0.1:${port};`,
      "/run/nginx.pid": `${directory}/pid`,
      "/var/log/nginx": directory,
      "http {": `http { ${temporary}`,
    })
    const user = process.getuid?.() === 0 ? "user root;\n" : ""
    writeFileSync(join(directory, "nginx.conf"), user + text)
    return [
      "-p",
      directory,
      "-e",
      join(directory, "error.log"),
      "-c",
      join(directory, "nginx.conf"),
      "-g",
      "daemon off;",
    ]
  },
  haproxy: (directory, port, nodes) => {
    const text = substitute(readFileSync(join(DEPLOY, "haproxy.cfg"), "utf8"), {
      ...addresses(nodes),
      "bind :80\n": `bind 127.0.0.1:${port}\n`,
      "  user haproxy\n": "",
      "  group haproxy\n": "",
    })
    writeFileSync(join(directory, "haproxy.cfg"), text)
    return ["-db", "-f", join(directory, "haproxy.cfg")]
  },
}

/** Debian's package, with the configuration of `deploy`, before three nodes. */
export const startBalancer = async (balancer: Balancer, nodes: readonly string[]): Promise<RunningBalancer> => {
  const directory = mkdtempSync(join(tmpdir(), "balancer-"))
  const port = await freePort()
  const args = PREPARE[balancer](directory, port, nodes)
  const child: ChildProcess = spawn(balancer, args, { stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk))
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const url = `http://127.0.0.1:${port}`
  await until(`${balancer} to find a node`, async () => {
    if (child.exitCode !== null) throw new Error(`${balancer} ended with ${child.exitCode}:\n${output}`)
    return await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
  })
  return {
    url,
    log: () => (balancer === "nginx" ? readFileSync(join(directory, "access.log"), "utf8") : output),
    stop: async () => {
      child.kill("SIGTERM")
      await exited
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
