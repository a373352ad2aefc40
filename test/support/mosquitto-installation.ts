import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.js'
import { run } from './run.js'
import { temporaryFolder } from './temporary-folder.js'

/** A Mosquitto as one finds it in the field: a configuration, its include, users, rules and certificates. */
export interface Installation {
  /** The folder in which Mosquitto runs. */
  readonly folder: string
  readonly conf: string
  /** The lines that Damselfly does not honour. */
  readonly refused: readonly string[]
  readonly ports: { readonly mqtt: number; readonly mqtts: number; readonly ws: number }
  /** A user whom mosquitto_passwd has made. */
  readonly user: { readonly name: string; readonly password: string }
}

/** Lays out the files of a Mosquitto in a new folder, with all listeners on 127.0.0.1. */
export async function installMosquitto(): Promise<Installation> {
  const folder = await temporaryFolder()
  const ports = { mqtt: await freePort(), mqtts: await freePort(), ws: await freePort() }
  const user = { name: 'ann', password: 'the password of ann' }
  for (const name of ['certs', 'conf.d']) await mkdir(join(folder, name))
  await succeed('mosquitto_passwd', ['-b', '-c', join(folder, 'passwd'), user.name, user.password])
  await writeFile(join(folder, 'acl'), '# rules\r\nuser ann\ntopic readwrite #\n')
  await makeCertificate(join(folder, 'certs'))
  const refused = [
    'pid_file mosquitto.pid',
    `persistence_location ${folder}/`,
    `log_dest file ${folder}/mosquitto.log`,
    'user root',
    'max_queued_messages 0',
    'connection cloud',
    'address 127.0.0.1:1',
    'topic sensors/# out 1',
    'remote_username factory',
    'remote_password hidden',
  ]
  await writeFile(join(folder, 'mosquitto.conf'), mainFile(folder, ports))
  await writeFile(join(folder, 'conf.d', 'a.conf'), bridgeFile)
  await writeFile(join(folder, 'conf.d', 'B.conf'), `listener ${ports.ws} 127.0.0.1\nprotocol websockets\n`)
  await writeFile(join(folder, 'conf.d', 'no.conf.bak'), 'frobnicate true\n')
  return { folder, conf: join(folder, 'mosquitto.conf'), refused, ports, user }
}

const mainFile = (folder: string, { mqtt, mqtts }: Installation['ports']): string => `\
# Place your local configuration in conf.d

pid_file mosquitto.pid
persistence true
persistence_location ${folder}/
log_dest stderr
log_dest file ${folder}/mosquitto.log
log_type error
log_type warning
log_type notice
log_type information
user root

allow_anonymous false
password_file passwd
acl_file acl

max_inflight_messages 40
max_queued_messages 0
max_packet_size 100000
persistent_client_expiration 14d
set_tcp_nodelay true
autosave_interval 900
sys_interval 30

listener ${mqtt} localhost
listener ${mqtts} 127.0.0.1
certfile certs/server.crt
keyfile certs/server.key
cafile certs/ca.crt
tls_version tlsv1.2
include_dir conf.d
`

const bridgeFile = `\
connection cloud
address 127.0.0.1:1
topic sensors/# out 1
remote_username factory
remote_password hidden
`

async function makeCertificate(folder: string): Promise<void> {
  const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.crt')]
  await succeed('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '90'],
    ...['-subj', '/CN=broker', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
  ])
  await cp(certificate, join(folder, 'ca.crt'))
}

async function succeed(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, args)
  if (code !== 0) throw new Error(`${program}: ${code} ${stderr}`)
}
