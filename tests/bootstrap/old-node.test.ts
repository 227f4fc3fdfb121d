import { readFileSync } from "node:fs"
import { runInNewContext } from "node:vm"
import { expect, it } from "vitest"

const BIN = readFileSync(new URL("../../bootstrap/bin.cjs", import.meta.url), "utf8").replace(/^#!.*/, "")

class Exit extends Error {}

const startOn = (node: string): { readonly err: string; readonly code: number | undefined } => {
  let err = ""
  let code: number | undefined
  const process = {
    versions: { node },
    stderr: { write: (text: string) => (err += text) },
    exit: (given: number) => {
      code = given
      throw new Exit()
    },
  }
  try {
    runInNewContext(BIN, { process })
  } catch (error) {
    if (!(error instanceof Exit)) throw error
  }
  return { err, code }
}

it.each(["12.22.12", "18.20.0", "22.11.0", "23.9.0"])("Node %s gets one clear line", (node) => {
  expect(startOn(node)).toEqual({
    err: `roomcast needs Node 24 or newer, found ${node}: https://nodejs.org/en/download\n`,
    code: 1,
  })
})

it("uses no syntax that Node 12 cannot parse", () => {
  expect(BIN).not.toMatch(/\?\.|\?\?|\|\|=|&&=|#\w|\bawait\b|\bstatic\s*\{/)
})
