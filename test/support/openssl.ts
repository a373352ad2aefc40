import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run.js'

/** What `openssl …` prints. Rejects when it fails. */
export async function openssl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('openssl', args)
  if (code !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}${stdout}`)
  return stdout
}

/** A client's certificate and key, as paths. */
export interface ClientFiles {
  readonly cert: string
  readonly key: string
}

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc']

/** A CA of somebody else's in `folder`: `ca.crt` and `ca.key`. */
export async function makeAuthority(folder: string, subject = '/CN=Another CA'): Promise<void> {
  const [cert, key] = [join(folder, 'ca.crt'), join(folder, 'ca.key')]
  await openssl('req', '-x509', ...P256, '-days', '30', '-subj', subject, '-keyout', key, '-out', cert)
}

/** A client certificate that the CA in `folder` signs, as `name.crt` and `name.key` beside it. */
export async function issueClient(
  folder: string,
  name: string,
  subject = `/CN=${name}`,
): Promise<ClientFiles> {
  const [cert, key, request] = ['crt', 'key', 'csr'].map((end) => join(folder, `${name}.${end}`))
  if (cert === undefined || key === undefined || request === undefined) throw new Error('three names')
  await openssl('req', ...P256, '-utf8', '-subj', subject, '-keyout', key, '-out', request)
  const authority = ['-CA', join(folder, 'ca.crt'), '-CAkey', join(folder, 'ca.key'), '-CAcreateserial']
  await openssl('x509', '-req', '-in', request, ...authority, '-days', '30', '-out', cert)
  return { cert, key }
}

/** Writes a `ca.crl` of the CA in `folder`, which revokes these beside those that it revoked before. */
export async function revoke(
  folder: string,
  clients: readonly ClientFiles[],
  times: readonly string[] = ['-crldays', '30'],
): Promise<void> {
  const index = join(folder, 'revoked.txt')
  const config = join(folder, 'ca.cnf')
  await writeFile(index, '', { flag: 'a' })
  await writeFile(config, `[ca]\ndefault_ca = this\n[this]\ndatabase = ${index}\ndefault_md = sha256\n`)
  const authority = ['-config', config, '-cert', join(folder, 'ca.crt'), '-keyfile', join(folder, 'ca.key')]
  for (const { cert } of clients) await openssl('ca', ...authority, '-revoke', cert)
  await openssl('ca', ...authority, '-gencrl', ...times, '-out', join(folder, 'ca.crl'))
}
