import { options } from '../../config/options.js'
import type { Access } from './find-listeners.js'
import type { ConfLine } from './read-conf.js'
import { isTrue } from './rule.js'
import type { SettingList } from './setting-list.js'

/** What a mosquitto.conf came to. */
export interface Result {
  readonly conf: readonly ConfLine[]
  readonly settings: SettingList
  readonly access: Access
}

type Difference = readonly [applies: (result: Result) => boolean, sentence: string]

/** Limits that Mosquitto has only where the file sets them. */
const LIMITS = ['MAX_CONNECTIONS', 'MAX_PACKET_BYTES', 'SESSION_EXPIRY_S'] as const

const all: readonly Difference[] = [
  [() => true, 'MQTT 3.1 and 3.1.1 are spoken; a client that insists on MQTT 5 is refused.'],
  [
    ({ access }) => access.isAnonymous && access.passwordFile === undefined,
    'Mosquitto without a password_file takes any user name and password. Here a name that is not known is ' +
      'refused: clients leave both out, or `damselfly passwd set USER` makes them known.',
  ],
  [
    ({ access }) => access.aclFile === undefined && !access.hasPlugin,
    'Without a rule nobody may do anything. Mosquitto without an acl_file opens all topics to everybody, so ' +
      'an acl.conf that does the same is written. It denies user names and client ids with a + or a #.',
  ],
  [
    ({ access }) => access.aclFile === undefined && access.hasPlugin,
    'What a plugin decided is not known, so no acl.conf is written; the server makes one that opens the ' +
      "devices' own topics, and nothing else.",
  ],
  [
    ({ access }) => access.aclFile !== undefined,
    'A subscription that no rule of acl.conf could ever satisfy is refused with 0x80; Mosquitto grants it ' +
      'and delivers nothing.',
  ],
  [
    ({ access }) => access.passwordFile !== undefined,
    'Damselfly has an administrator, who may read and write everything. Nobody is one yet: ' +
      'MQTT_USERNAME=NAME in .env makes one of the users in passwd.',
  ],
  [
    ({ settings }) => settings.get('BIND_ADDRESS')?.value === '0.0.0.0',
    'Mosquitto listens on IPv6 as well. BIND_ADDRESS=:: does so, on a machine that has IPv6.',
  ],
  [
    ({ settings }) => settings.get('MAX_PACKET_BYTES')?.from?.name === 'message_size_limit',
    'message_size_limit is about the payload, MAX_PACKET_BYTES about the whole packet, and a larger one ends ' +
      'its connection.',
  ],
  [
    ({ settings }) => Number(settings.get('MAX_KEEPALIVE_S')?.value ?? 65_535) < 65_535,
    'MAX_KEEPALIVE_S refuses every client with a longer keep alive or none; max_keepalive only tells MQTT 5 ' +
      'clients to use a shorter one.',
  ],
  [
    ({ conf }) => conf.some(({ name, value }) => name.endsWith('persistence') && isTrue(value)),
    'The sessions and retained messages of mosquitto.db are not taken over: clients subscribe again, and ' +
      'retained messages have to be published again.',
  ],
  [
    ({ settings }) => settings.get('HTTP_PORT') === undefined,
    'Port 8080 (HTTP_PORT) is new: it says whether the server is well. HTTP_PORT=off in .env closes it.',
  ],
  [
    ({ settings }) => settings.get('HTTP_PORT') !== undefined,
    'Port 8080 says whether the server is well, unless it is taken, as here: give HTTP_PORT another in .env.',
  ],
]

/** What will be otherwise than with Mosquitto although the file is honoured, in sentences. */
export function listDifferences(result: Result): readonly string[] {
  const unset = LIMITS.filter((name) => result.settings.get(name) === undefined)
  const limits = unset.map((name) => `${name}=${options[name].default}`).join(', ')
  const sentences = all.flatMap(([applies, sentence]) => (applies(result) ? [sentence] : []))
  return unset.length === 0
    ? sentences
    : [...sentences, `There are limits that the file does not set, and Mosquitto does not have: ${limits}.`]
}
