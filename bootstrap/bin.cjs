#!/usr/bin/env node
"use strict"
// Parses on old versions of Node too, so that they can be told.
const found = process.versions.node
if (!process.versions.deno && Number.parseInt(found, 10) < 24) {
  process.stderr.write(`roomcast needs Node 24 or newer, found ${found}: https://nodejs.org/en/download\n`)
  process.exit(1)
}
// Beside this file once it is built.
const main = "./bootstrap/main.js"
import(main).catch((error) => {
  process.stderr.write(`${String(error.stack)}\n`)
  process.exit(1)
})
