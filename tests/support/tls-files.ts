import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface TlsFiles {
  /** The certificate of an authority that nobody knows, in PEM. */
  readonly ca: string
  /** How `redis-server` is told of them, and of the port that is for TLS alone. */
  readonly args: (port: number) => readonly string[]
  readonly remove: () => void
}

/** An authority of the test's own, and a certificate of its for this machine. */
export const makeTlsFiles = (): TlsFiles => {
  const directory = mkdtempSync(join(tmpdir(), "roomcast-tls-"))
  const at = (name: string) => join(directory, name)
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" })
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  openssl("req", "-x509", ...key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "2", "-subj", "/CN=test")
  openssl("req", ...key, "-keyout", at("redis.key"), "-out", at("redis.csr"), "-subj", "/CN=redis")
  writeFileSync(at("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
  const signer = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-extfile", at("names")]
  openssl("x509", "-req", "-in", at("redis.csr"), ...signer, "-out", at("redis.pem"), "-days", "2")
  return {
    ca: readFileSync(at("ca.pem"), "utf8"),
    args: (port) => [
      ...["--port", "0", "--tls-port", `${port}`, "--tls-auth-clients", "no", "--tls-ca-cert-file", at("ca.pem")],
      ...["--tls-cert-file", at("redis.pem"), "--tls-key-file", at("redis.key")],
      ...["--tls-replication", "yes", "--tls-cluster", "yes"],
    ],
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
