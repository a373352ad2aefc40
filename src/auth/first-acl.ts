import { errorCode, replaceFile } from '../config/replace-file.js'
import { readAclFile } from './acl-file.js'

/** Comments alone, so that nothing is open which is not built in. */
const FIRST_ACL = `# Who may publish and receive what, in Mosquitto's grammar (mosquitto.conf(5), acl_file). It is read again
# when it changes. \`damselfly acl test USER CLIENT_ID read|write TOPIC\` says what holds, and by which line.
#
# Built in, without a line here:
#
#   - the administrator may do everything, but for publishing below $SYS;
#   - a device of the database, under each of its names (uuid and device_id), may
#       publish  devices/NAME/data   devices/NAME/status   devices/NAME/heartbeat
#                device/NAME/data    device/NAME/status    device/NAME/heartbeat
#                langchain/response/NAME   system/alerts/NAME
#       receive  devices/NAME/control   device/NAME/control   device/control   langchain/process/NAME
#     unless a deny line here says otherwise;
#   - nobody else may do anything.
#
# Lines before the first user line are for anonymous clients (ALLOW_ANONYMOUS=true). Examples:
#
#   user backend
#   topic readwrite devices/#
#   topic read $SYS/#
#
#   user display
#   topic read devices/+/data
#   topic deny devices/secret/data
#
#   # For every user: %u is its user name, %c its client id.
#   pattern readwrite users/%u/#
`

/**
 * Writes an access control list that explains itself and opens nothing, where there is none.
 *
 * @returns a sentence for the log where it cannot be written, which leaves nothing open either
 * @throws ConfigError ACL_FILE as `readAclFile` does.
 */
export async function ensureAclFile(path: string): Promise<string | undefined> {
  if ((await readAclFile(path)).exists) return undefined
  try {
    await replaceFile(path, FIRST_ACL)
    return undefined
  } catch (error) {
    return `${path} is absent and cannot be written (${errorCode(error)}): no rules but those built in`
  }
}
