import { afterEach, expect, it } from "vitest"
import { freePort } from "#tests/support/free-port.ts"
import { type RunningCli, startCli } from "#tests/support/run-cli.ts"
import { until } from "#tests/support/until.ts"

let cli: RunningCli | undefined
afterEach(() => cli?.process.kill("SIGKILL"))

it("serve outlives whoever read its logs, on both streams, and still ends with 0 at SIGTERM", async () => {
  const port = await freePort()
  const running = startCli(["serve", "--port", String(port), "--log-level", "debug"])
  cli = running
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
  await until("the gateway", isReady, 30_000)
  running.process.stdout?.destroy()
  running.process.stderr?.destroy()
  for (let i = 0; i < 20; i++) expect(await isReady()).toBe(true)
  running.process.kill("SIGTERM")
  expect((await running.ended).code).toBe(0)
})
