import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The programs that the tests start, and the Debian package that each comes in. */
const packages: Readonly<Record<string, string>> = {
  mariadbd: 'mariadb-server',
  'mariadb-install-db': 'mariadb-server',
  'redis-server': 'redis-server',
  mosquitto: 'mosquitto',
  mosquitto_pub: 'mosquitto-clients',
  paho_c_sub: 'paho.mqtt.c-examples',
  openssl: 'openssl',
  promtool: 'prometheus',
  prometheus: 'prometheus',
  'systemd-analyze': 'systemd',
  'systemd-notify': 'systemd',
  'systemd-sysusers': 'systemd',
  strace: 'strace',
  logrotate: 'logrotate',
  script: 'bsdutils',
  faketime: 'faketime',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  mount: 'mount',
  'mkfs.ext4': 'e2fsprogs',
}

/** Debian's package of Paho's client for Python. */
const PAHO_FOR_PYTHON = 'python3-paho-mqtt'

/** Servers live here on Debian, which a user's PATH leaves out. */
const serverFolders = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/opt/homebrew/sbin']

/** Where a program is, or `undefined` when it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...serverFolders]
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/** Where a program is that `ensurePackages` has seen to. */
export function programPath(name: string): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}

/** Installs what is missing, where that is possible: on Debian, as root. Else it says what to type. */
export function ensurePackages(): void {
  const missing = missingPackages()
  if (missing.length === 0) return
  const isDebian = existsSync('/etc/debian_version')
  if (!isDebian || process.getuid?.() !== 0) throw new Error(instructions(missing, isDebian))
  const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
  execFileSync('apt-get', ['update'], options)
  execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', ...missing], options)
  const stillMissing = missingPackages()
  if (stillMissing.length > 0) throw new Error(`apt-get did not install ${stillMissing.join(' ')}`)
}

/** A Python that has Paho's client. Another one may come before Debian's in the PATH. */
export function pythonWithPaho(): string {
  const python = findPythonWithPaho()
  if (python === undefined) throw new Error('no Python has paho.mqtt')
  return python
}

function findPythonWithPaho(): string | undefined {
  const hasPaho = (python: string): boolean =>
    spawnSync(python, ['-c', 'import paho.mqtt.client'], { stdio: 'ignore' }).status === 0
  return ['/usr/bin/python3', 'python3'].find(hasPaho)
}

function missingPackages(): string[] {
  const missing = Object.entries(packages).filter(([program]) => findProgram(program) === undefined)
  const names = missing.map(([, name]) => name)
  return [...new Set(findPythonWithPaho() === undefined ? [...names, PAHO_FOR_PYTHON] : names)]
}

function instructions(missing: readonly string[], isDebian: boolean): string {
  if (isDebian) return `The tests need: sudo apt-get install --yes ${missing.join(' ')}`
  if (process.platform === 'darwin')
    return 'The tests need: brew install mariadb redis mosquitto openssl libpaho-mqtt; pip3 install paho-mqtt==1.6.1'
  const programs = Object.keys(packages).filter((program) => findProgram(program) === undefined)
  return `The tests need these programs on the PATH: ${programs.join(', ')}; and paho-mqtt 1 for Python`
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
