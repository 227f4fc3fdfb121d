import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { ERRORS } from "#domain/errors.ts"
import { startHttp } from "./http-fixture.ts"

const page = readFileSync(new URL("../../../docs/http-api.md", import.meta.url), "utf8")
const tableRows = (start: string): readonly string[] => page.split("\n").filter((line) => line.startsWith(start))

describe("the page about the HTTP API", () => {
  it("has every error with its status, and no other", () => {
    const expected = Object.entries(ERRORS).map(
      ([code, { status, temporary, title }]) => `| \`${code}\` | ${status} | ${temporary ? "yes" : "no"} | ${title} |`,
    )
    const errors = page.slice(page.indexOf("\n## Errors"))
    expect(errors.split("\n").filter((line) => line.startsWith("| `"))).toEqual(expected)
  })

  it("has every call with the scope that it needs, and no other", async () => {
    await using http = await startHttp()
    const calls = tableRows("| [`").map((row) => {
      const [, method = "", path = "", scope = ""] = /^\| \[`(\S+) (\S+)`\]\(#\S+\) \| `(\w+)` \|/.exec(row) ?? []
      return { method, path, scope }
    })
    const routes = http.app.routes
      .filter(({ method, path }) => method !== "ALL" && path.startsWith("/v1/"))
      .map(({ method, path }) => `${method} ${path.slice(3).replaceAll(/:(\w+)/g, "{$1}")}`)
    expect(calls.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual([...new Set(routes)].toSorted())
    for (const { method, path, scope } of calls) {
      const response = await http.call(method, `/v1${path.replaceAll(/\{\w+\}/g, "x")}`, {
        headers: { Authorization: "Bearer rc_nothing" },
      })
      expect(response.status).toBe(403)
      expect(await response.text()).toContain(`needs the scope ${scope}`)
    }
  })

  it("has examples of bodies that are accepted", async () => {
    await using http = await startHttp()
    const examples = [...page.matchAll(/^curl \$API(\/\S+) [^`]*?-d (?:'([^']+)'|"((?:[^"\\]|\\.)+)")/gm)]
    expect(examples.map(([, path]) => path)).toEqual([
      "/messages",
      "/messages",
      "/messages/batch",
      "/users/query",
      "/revocations",
    ])
    for (const [, path = "", quoted, escaped = ""] of examples) {
      const now = String(Math.floor(Date.now() / 1000))
      const body = quoted ?? escaped.replaceAll('\\"', '"').replace("$(date +%s)", now)
      const response = await http.post(`/v1${path}`, body)
      expect(Math.floor(response.status / 100), path).not.toBe(4)
      expect(await response.text()).not.toContain('"status":422')
    }
  })

  it("links to headings that it has", () => {
    const slug = (heading: string): string =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-")
    const headings = page
      .split("\n")
      .filter((line) => line.startsWith("#"))
      .map((line) => slug(line.replace(/^#+ /, "")))
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, target]) => target)
    expect(links.length).toBeGreaterThan(20)
    for (const link of links) expect(headings).toContain(link)
  })
})
