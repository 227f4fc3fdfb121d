import { type ChildProcess, spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { until } from "#tests/support/until.ts"

export interface Upstream {
  readonly id: string
  readonly port: number
}

/**
 * Whoever has no Engine.IO session yet goes to any node, whoever has one to the node whose id it begins with. A push
 * that a node did not answer is sent to the next one: its idempotency key makes that safe.
 */
const config = (port: number, nodes: readonly Upstream[], directory: string): string => `
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/nginx.log warn;
events { worker_connections 8192; }
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${directory}/${name};`).join("\n  ")}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  map $arg_sid $node {
    default any;
    ${nodes.map(({ id }) => `"~^${id}\\." ${id};`).join("\n    ")}
  }
  upstream any {
    ${nodes.map((node) => `server 127.0.0.1:${node.port} max_fails=1 fail_timeout=1s;`).join("\n    ")}
    keepalive 64;
  }
  ${nodes.map((node) => `upstream ${node.id} { server 127.0.0.1:${node.port} max_fails=0; keepalive 64; }`).join("\n  ")}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_connect_timeout 2s;
    location /socket.io/ {
      proxy_read_timeout 90s;
      proxy_pass http://$node;
    }
    location / {
      proxy_read_timeout 3s;
      proxy_next_upstream error timeout non_idempotent;
      proxy_pass http://any;
    }
  }
}
`

/** The load balancer before the nodes. */
export const startNginx = async (
  port: number,
  nodes: readonly Upstream[],
  directory: string,
): Promise<ChildProcess> => {
  const file = join(directory, "nginx.conf")
  writeFileSync(file, config(port, nodes, directory))
  const child = spawn("nginx", ["-c", file, "-e", join(directory, "nginx.log")], { stdio: "inherit" })
  try {
    await until("nginx to listen", async () => {
      if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`)
      return await fetch(`http://127.0.0.1:${port}/livez`).then(
        ({ ok }) => ok,
        () => false,
      )
    })
  } catch (error) {
    child.kill("SIGKILL")
    throw error
  }
  return child
}
