import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { type Certificates, ensureCertificates, renewServerCertificate } from '../listen/certificates.js'
import { distinctNames, isDnsName } from '../listen/host-names.js'
import type { CliContext } from './cli-context.js'
import { CommandError, runCommand } from './run-command.js'

const HELP = `Usage: damselfly certs                      make the certificates that are missing, or show them
       damselfly certs --renew              make a new server certificate from the existing CA
       damselfly certs [--renew] --name N   for this host name or IP address as well (may be repeated)

The files are in CERTS_DIR: ca.crt, which clients trust; ca.key, which signs and stays secret; server.crt and
server.key. A new certificate is good for localhost, this machine's host name and its addresses, a renewed one
for the names of the old one too. In a container, give the names and addresses of the host with --name.
`

/**
 * `damselfly certs`, which makes, shows and renews the certificates in `CERTS_DIR`.
 *
 * @param argv what follows `certs` on the command line
 * @returns the exit code: 0; 1 when it could not be done; 2 when called wrongly
 */
export function certsCommand(argv: readonly string[], context: CliContext): Promise<number> {
  return runCommand(context, 'certs', async () => {
    const { isHelp, isRenewal, names } = parse(argv)
    if (isHelp) {
      context.stdout.write(HELP)
      return
    }
    const folder = context.settings.CERTS_DIR
    const certificates = await (isRenewal ? renewServerCertificate : ensureCertificates)(folder, { names })
    show(certificates, context)
    const missing = distinctNames(names).filter((name) => !certificates.names.includes(name))
    if (missing.length > 0) {
      throw CommandError.failed(`the certificate that exists lacks ${missing.join(' and ')}; add --renew`)
    }
  })
}

function show(certificates: Certificates, { stdout, stderr }: CliContext): void {
  const { madeFiles, warnings, caPath, certPath, keyPath, names, expires, fingerprint } = certificates
  const rows = [
    ['made', madeFiles.join(' ') || 'nothing; what there is stays as it is'],
    ['CA', caPath ?? 'none'],
    ['certificate', certPath],
    ['key', keyPath],
    ['names', names.join(' ') || 'none'],
    ['expires', expires.toISOString()],
    ['SHA-256', fingerprint],
  ]
  for (const [label = '', value] of rows) stdout.write(`${label.padEnd(12)} ${value}\n`)
  if (madeFiles.length > 0) stdout.write('A running server serves it within a second.\n')
  for (const warning of warnings) stderr.write(`warning: ${warning}\n`)
}

function parse(argv: readonly string[]): { isHelp: boolean; isRenewal: boolean; names: string[] } {
  const { values } = parsed(argv)
  const names = values.name ?? []
  const stranger = names.find((name) => isIP(name) === 0 && !isDnsName(name))
  if (stranger !== undefined) {
    throw CommandError.usage(`--name ${JSON.stringify(stranger)} is neither a host name nor an IP address`)
  }
  return { isHelp: values.help === true, isRenewal: values.renew === true, names }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        help: { type: 'boolean', short: 'h' },
        renew: { type: 'boolean' },
        name: { type: 'string', multiple: true },
      },
    })
  } catch (error) {
    throw CommandError.usage(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}
