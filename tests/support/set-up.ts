import { spawnSync } from "node:child_process"
import process from "node:process"

/** Programs that the tests need beside npm's packages, and Debian's package for each. */
const NEEDED = [
  { program: "promtool", package: "prometheus", why: "checks the format of /metrics" },
  { program: "nginx", package: "nginx", why: "is a load balancer that deploy has a configuration for" },
  { program: "haproxy", package: "haproxy", why: "is another" },
  { program: "openssl", package: "openssl", why: "makes certificates for Redis over TLS" },
  { program: "redis-server", package: "redis-server", why: "is what the redis engine is tested on" },
]

const isThere = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0

const missing = NEEDED.filter(({ program }) => !isThere(program))
if (missing.length > 0) {
  const packages = missing.map((needed) => needed.package)
  const canInstall = process.getuid?.() === 0 && isThere("apt-get")
  console.log(`The tests need ${missing.map(({ program, why }) => `${program} (${why})`).join(", ")}.`)
  if (canInstall) {
    // No service is started: a policy of "never" is what Debian's containers use.
    const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" }
    for (const args of [
      ["update", "-q"],
      ["install", "-y", "-q", "--no-install-recommends", ...packages],
    ])
      spawnSync("apt-get", args, { stdio: "inherit", env: environment })
  }
  const left = missing.filter(({ program }) => !isThere(program))
  if (left.length > 0) {
    console.error(`Install: apt-get install ${left.map((needed) => needed.package).join(" ")}`)
    process.exit(1)
  }
}
