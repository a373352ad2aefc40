import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Settings } from '../config/options.js'
import { type Certificates, ensureCertificates } from './certificates.js'
import { clientCertificates } from './client-trust.js'

/** The settings that say whether certificates are needed, and where they are. */
export type CertificateSettings = Pick<
  Settings,
  'CERTS_DIR' | 'MQTTS_PORT' | 'WSS_PORT' | 'TLS_REQUIRE_CLIENT_CERT' | 'TLS_IDENTITY_AS_USERNAME'
>

/**
 * The certificates for the listeners of these settings, made where they are missing; `undefined` where no listener
 * needs any and none are there. Those that are there have to be right in any case.
 *
 * @throws ConfigError as `ensureCertificates` and `clientCertificates` do.
 */
export async function openCertificates(settings: CertificateSettings): Promise<Certificates | undefined> {
  const clients = clientCertificates(settings)
  if (!areServed(settings) && !areThere(settings)) return undefined
  return ensureCertificates(settings.CERTS_DIR, { clients })
}

/** Whether a listener works with certificates. */
export function areServed({ MQTTS_PORT, WSS_PORT }: CertificateSettings): boolean {
  return MQTTS_PORT !== 'off' || WSS_PORT !== 'off'
}

/** Whether the server's certificate, or half of it, is there. */
export function areThere({ CERTS_DIR }: CertificateSettings): boolean {
  return ['server.crt', 'server.key'].some((name) => existsSync(join(CERTS_DIR, name)))
}
