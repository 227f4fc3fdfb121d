import { registerHooks } from "node:module"
const mode = process.argv[2]
const VIA = mode === "old" ? "roomcast-handler:" : mode === "enc" || mode === "encload" ? "handler://" : "handler://"
const enc = (u: string) => mode === "enc" ? VIA + encodeURIComponent(u) : mode === "path" ? VIA + "file" + u.slice("file://".length) : VIA + u
const dec = (u: string) => { const s = u.slice(VIA.length); return mode === "enc" ? decodeURIComponent(s) : mode === "path" ? "file://" + s.slice(4) : s }
let n = 0
registerHooks({
  resolve: (s, c, next) => { if (n++ < 12) console.log("resolve", s); if (n > 200) throw new Error("loop"); return s.startsWith(VIA) ? { url: s, format: "module", shortCircuit: true } : next(s, c) },
  load: (u, c, next) => { if (n++ < 12) console.log("load", u); if (n > 200) throw new Error("loop"); return u.startsWith(VIA) ? { format: "module", shortCircuit: true, source: `export * as file from ${JSON.stringify(dec(u))};` } : next(u, c) },
})
console.log((await import(enc("file:///tmp/hw/hd2.ts?v=0"))).file.default)
